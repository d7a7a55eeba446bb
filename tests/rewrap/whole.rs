//! Every sealed byte of many objects of many lengths, as S3 has it, before and after.

use waxseal::Placement;

use crate::world::MIB;
use crate::world::World;

#[tokio::test]
async fn bodies_around_the_limits_of_parts_stay_as_they_are() {
    let world = World::start().await;
    let client = world.client(&world.new, Placement::Metadata);
    for placement in [Placement::Metadata, Placement::Inline] {
        for base in [5 * MIB, 10 * MIB] {
            for len in [base - 8000, base - 4000, base - 1000, base, base + 1] {
                let plain = world.put("k", len, placement).await;
                let sealed = world.aws.read_object("bucket", "k");
                let request = client.rewrap_object("bucket", "k", &world.context, &world.rewrap());
                request.send().await.unwrap();
                let now = world.aws.read_object("bucket", "k");
                assert_eq!(sealed.len(), now.len(), "{placement:?} {len}");
                assert!(sealed[1024..] == now[1024..], "{placement:?} {len}");
                assert!(world.get(&world.new, "k").await.unwrap() == plain);
            }
        }
    }
}
