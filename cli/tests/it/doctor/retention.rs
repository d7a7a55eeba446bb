//! Buckets that keep what is stored: Object Lock.

use waxseal_testkit::Fault;

use crate::doctor::Ward;

/// Its object could not be deleted again.
#[test]
fn nothing_is_stored_where_it_would_stay() {
    let ward = Ward::new();
    let lock = |rule: &str| {
        let enabled = "<ObjectLockEnabled>Enabled</ObjectLockEnabled>";
        let body = format!("<ObjectLockConfiguration>{enabled}{rule}</ObjectLockConfiguration>");
        let reply = Fault::Reply { status: 200, content_type: "application/xml", body };
        ward.aws.services.fail("GetObjectLockConfiguration", 1, reply);
    };
    let rule = "<Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>30</Days>\
         </DefaultRetention></Rule>";
    lock(rule);
    let bad = ward.bad(&ward.line());
    let finding = &bad["round-trip"];
    assert_eq!(finding["level"], "not-checked", "{finding}");
    assert!(finding["found"].as_str().unwrap().contains("default retention"), "{finding}");
    assert_eq!(ward.aws.services.count("PutObject"), 0);
    // Without a retention, or where there is no lock, or nobody knows what that is.
    lock("");
    assert!(ward.bad(&ward.line()).is_empty());
    for (status, code) in [
        (404, "ObjectLockConfigurationNotFoundError"),
        (501, "NotImplemented"),
        (403, "AccessDenied"),
    ] {
        let fault = Fault::s3_error(status, code);
        ward.aws.services.fail("GetObjectLockConfiguration", 1, fault);
        assert!(ward.bad(&ward.line()).is_empty(), "{code}");
    }
    assert_eq!(ward.aws.services.count("PutObject"), 4);
}
