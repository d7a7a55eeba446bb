//! A sealed object end to end: KMS to S3 and back, against every server there is.
//!
//! In process and over loopback HTTP always; against moto, a server of other people's, where
//! `WAXSEAL_MOTO` names its endpoint, as CI does.

#![allow(clippy::cast_possible_truncation, clippy::unwrap_used, reason = "a test may")]

#[path = "e2e/keys.rs"]
mod keys;
#[path = "e2e/suite.rs"]
mod suite;
#[path = "e2e/world.rs"]
mod world;

/// Runs every test of these modules in every world.
macro_rules! in_every_world {
    ($($module:ident { $($test:ident),+ $(,)? })+) => {
        mod in_process {
            $($(#[tokio::test] async fn $test() {
                super::$module::$test(&super::world::in_process().await).await;
            })+)+
        }
        mod loopback {
            $($(#[tokio::test] async fn $test() {
                super::$module::$test(&super::world::loopback().await).await;
            })+)+
        }
        mod moto {
            $($(#[tokio::test] async fn $test() {
                if let Some(world) = super::world::moto(stringify!($test)).await {
                    super::$module::$test(&world).await;
                }
            })+)+
        }
    };
}

in_every_world! {
    keys {
        a_disabled_key_is_not_used,
        a_key_pending_deletion_is_not_used,
        a_denied_key_is_not_used,
        a_key_that_is_not_there_is_not_found,
        a_key_of_another_region_is_not_used,
        an_alias_that_moved_seals_under_its_new_key,
        a_replica_opens_what_its_primary_sealed,
        every_kind_of_wrapped_key_unwraps,
    }
    suite {
        what_is_put_is_got_whole_and_by_range,
        both_kinds_of_upload_keep_type_and_metadata,
        head_needs_no_key,
        another_context_or_key_is_refused,
        altered_objects_are_refused,
        two_objects_exchanged_open_unless_bound,
        a_copy_opens_unless_bound,
        the_envelope_can_be_inline,
        the_one_shot_layout_is_the_guides,
        what_the_demanded_key_did_not_sign_is_refused,
        what_is_not_sealed_is_refused,
        deleting_is_deleting,
    }
}
