//! A bar chart of the wall times, as SVG.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;
use plotters::style::text_anchor::Pos;
use plotters::style::text_anchor::VPos;

use crate::Result;
use crate::measure::What;
use crate::programs;
use crate::report::Report;
use crate::report::Row;
use crate::report::Section;
use crate::size::Bytes;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Draws each part of `report` below the other.
pub(crate) fn draw(report: &Report) -> Result<String> {
    let panels: Vec<_> = report.parts.iter().map(Panel::new).collect();
    let height = HEAD + panels.iter().map(Panel::height).sum::<i32>() + FOOT;
    let mut svg = String::new();
    {
        let root =
            SVGBackend::with_string(&mut svg, (WIDTH, height.unsigned_abs())).into_drawing_area();
        // A ground of its own: GitHub shows it in light and dark pages.
        root.fill(&WHITE)?;
        let (head, mut rest) = root.split_vertically(HEAD);
        draw_head(report, &head)?;
        for panel in &panels {
            let (area, below) = rest.split_vertically(panel.height());
            panel.draw(&area)?;
            rest = below;
        }
        for (line, y) in NOTES.into_iter().zip([0, 18]) {
            rest.draw(&Text::new(line, (MARGIN, y), text(12).color(&FAINT)))?;
        }
        root.present()?;
    }
    Ok(svg)
}

fn draw_head(report: &Report, area: &Area<'_>) -> Result<()> {
    let facts = &report.facts;
    let title = format!("{} in the page cache, whole processes", Bytes(facts.size));
    let runs =
        if facts.runs == 1 { "1 run".to_owned() } else { format!("median of {} runs", facts.runs) };
    let below = format!("{}, {runs}, {}", facts.date, facts.cpu);
    area.draw(&Text::new(title, (MARGIN, 12), text(20).color(&INK)))?;
    area.draw(&Text::new(below, (MARGIN, 40), text(13).color(&FAINT)))?;
    let keys = [
        ("waxseal seal", OURS[0]),
        ("open", OURS[1]),
        ("others seal", OTHERS[0]),
        ("open", OTHERS[1]),
        ("cp, floor", BASELINE),
    ];
    let mut x = MARGIN;
    for ((name, color), width) in keys.into_iter().zip([116, 66, 106, 66, 90]) {
        area.draw(&Rectangle::new([(x, 64), (x + 12, 76)], color.filled()))?;
        area.draw(&Text::new(name, (x + 18, 70), text(13).color(&INK).pos(LEFT)))?;
        x += width;
    }
    Ok(())
}

/// The bars of one part, in groups by program.
struct Panel<'a> {
    section: &'a Section,
    groups: Vec<Vec<&'a Row>>,
}

impl<'a> Panel<'a> {
    /// Programs come in the order of their first row, which is the fastest first.
    fn new(section: &'a Section) -> Self {
        let mut groups: Vec<Vec<&Row>> = Vec::new();
        for row in &section.rows {
            match groups.iter_mut().find(|group| group[0].label == row.label) {
                Some(group) => group.push(row),
                None => groups.push(vec![row]),
            }
        }
        groups.sort_by(|one, other| one[0].wall.total_cmp(&other[0].wall));
        Self { section, groups }
    }

    fn height(&self) -> i32 {
        PANEL_HEAD + self.bars_height() + AXIS
    }

    fn bars_height(&self) -> i32 {
        self.groups.iter().map(|group| group_height(group)).sum()
    }

    fn draw(&self, area: &Area<'_>) -> Result<()> {
        area.draw(&Text::new(self.section.title, (MARGIN, 10), text(16).color(&INK)))?;
        let most = self.section.rows.iter().map(|row| row.wall).fold(0.0, f64::max);
        let mut chart = ChartBuilder::on(area)
            .margin_top(PANEL_HEAD)
            .margin_right(MARGIN)
            .set_label_area_size(LabelAreaPosition::Left, NAMES)
            .set_label_area_size(LabelAreaPosition::Bottom, AXIS)
            // Room for the figure after the longest bar. A pixel of height is one unit.
            .build_cartesian_2d(0.0..most * 1.1, self.bars_height()..0)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(GRID)
            .x_labels(8)
            .x_label_formatter(&|seconds| format!("{}", (seconds * 1e6).round() / 1e6))
            .x_label_style(text(13).color(&FAINT))
            .x_desc("wall seconds, less is better")
            .axis_desc_style(text(13).color(&FAINT))
            .draw()?;
        let plot = chart.plotting_area();
        if let Some(one) = self.section.wall(self.section.baseline) {
            plot.draw(&PathElement::new([(one, 0), (one, self.bars_height())], BASELINE))?;
        }
        let mut top = 0;
        for group in &self.groups {
            let middle = top + group_height(group) / 2;
            let name = Text::new(group[0].label, (-8, 0), text(14).color(&INK).pos(RIGHT));
            plot.draw(&(EmptyElement::at((0.0, middle)) + name))?;
            for (row, i) in group.iter().zip(0..) {
                let y = top + GAP / 2 + i * BAR;
                plot.draw(&Rectangle::new(
                    [(0.0, y), (row.wall, y + BAR - 2)],
                    color(row).filled(),
                ))?;
                let figure =
                    Text::new(figure(row.wall, most), (6, 0), text(12).color(&INK).pos(LEFT));
                plot.draw(&(EmptyElement::at((row.wall, y + BAR / 2 - 1)) + figure))?;
            }
            top += group_height(group);
        }
        Ok(())
    }
}

/// Two decimals tell bars of seconds apart, bars of less need three.
fn figure(seconds: f64, most: f64) -> String {
    if most < 1.0 { format!("{seconds:.3}") } else { format!("{seconds:.2}") }
}

fn group_height(group: &[&Row]) -> i32 {
    i32::try_from(group.len()).map_or(0, |bars| bars * BAR + GAP)
}

fn color(row: &Row) -> RGBColor {
    let ours = [programs::WAXSEAL, programs::WAXSEAL_SYNC].contains(&row.label);
    let pair = if ours { OURS } else { OTHERS };
    match row.what {
        What::Copy | What::Read => BASELINE,
        What::Seal => pair[0],
        What::Open => pair[1],
    }
}

/// Whatever font the reader has.
fn text(size: i32) -> TextStyle<'static> {
    ("sans-serif", size).into_text_style(&(WIDTH, WIDTH))
}

const NOTES: [&str; 2] = ["* no authentication", "none waits for the disk but those that say sync"];

// Pixels.
const WIDTH: u32 = 800;
const MARGIN: i32 = 20;
const HEAD: i32 = 88;
const PANEL_HEAD: i32 = 40;
const NAMES: i32 = 180;
const AXIS: i32 = 52;
const FOOT: i32 = 44;
const BAR: i32 = 16;
const GAP: i32 = 12;

const INK: RGBColor = RGBColor(31, 35, 40);
const FAINT: RGBColor = RGBColor(89, 99, 110);
const GRID: RGBColor = RGBColor(209, 217, 224);
/// Of waxseal: seal, open.
const OURS: [RGBColor; 2] = [RGBColor(9, 105, 218), RGBColor(116, 182, 255)];
const OTHERS: [RGBColor; 2] = [RGBColor(110, 119, 129), RGBColor(184, 192, 200)];
const BASELINE: RGBColor = RGBColor(191, 135, 0);

const LEFT: Pos = Pos { h_pos: HPos::Left, v_pos: VPos::Center };
const RIGHT: Pos = Pos { h_pos: HPos::Right, v_pos: VPos::Center };
