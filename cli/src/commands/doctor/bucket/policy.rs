//! What a bucket policy that is there does, as far as it matters here.

use serde_json::Value;

use super::Finding;
use super::Level;

/// Judges the text of a policy.
pub(super) fn judge(name: &'static str, policy: &str) -> Finding {
    let Ok(policy) = serde_json::from_str::<Value>(policy) else {
        return Finding::new(name, Level::Problem, "the policy is not JSON")
            .because("what it allows and refuses cannot be told");
    };
    // One statement need not be in a list.
    let statements = match &policy["Statement"] {
        Value::Array(statements) => statements.as_slice(),
        one => std::slice::from_ref(one),
    };
    if statements.iter().any(lets_everybody) {
        return Finding::new(name, Level::Problem, "the policy lets everybody in")
            .because("anyone on the Internet may do what it allows")
            .remedy("take the statement with the Principal * out; see the check public-access");
    }
    let refuses_http = statements.iter().any(refuses_plain_http);
    let refuses_plain = statements.iter().any(refuses_other_encryption);
    match (refuses_http, refuses_plain) {
        (true, true) => Finding::ok(name, "refuses plain HTTP and other encryption"),
        (false, _) => Finding::new(name, Level::Warning, "the policy does not refuse plain HTTP")
            .because(WITHOUT),
        (true, false) => {
            let found = "the policy does not refuse uploads with other encryption";
            Finding::new(name, Level::Warning, found).because(WITHOUT)
        }
    }
}

fn lets_everybody(statement: &Value) -> bool {
    statement["Effect"] == "Allow"
        && is_everybody(statement)
        && statement.get("Condition").is_none()
}

fn refuses_plain_http(statement: &Value) -> bool {
    let flag = &statement["Condition"]["Bool"]["aws:SecureTransport"];
    let is_false = texts(flag).any(|text| text == "false") || *flag == Value::Bool(false);
    let all = texts(&statement["Action"]).any(|action| matches!(action, "s3:*" | "*"));
    statement["Effect"] == "Deny" && is_everybody(statement) && all && is_false
}

fn refuses_other_encryption(statement: &Value) -> bool {
    let put = |action: &str| matches!(action, "s3:PutObject" | "s3:Put*" | "s3:*" | "*");
    let operators = statement["Condition"].as_object().into_iter().flatten();
    let mut keys = operators.filter_map(|(_, block)| block.as_object()).flatten();
    statement["Effect"] == "Deny"
        && is_everybody(statement)
        && texts(&statement["Action"]).any(put)
        && keys.any(|(key, _)| key.eq_ignore_ascii_case("s3:x-amz-server-side-encryption"))
}

fn is_everybody(statement: &Value) -> bool {
    let principal = &statement["Principal"];
    texts(principal).chain(texts(&principal["AWS"])).any(|text| text == "*")
}

/// A string, or the strings of a list.
fn texts(value: &Value) -> impl Iterator<Item = &str> {
    let list = value.as_array().into_iter().flatten().filter_map(Value::as_str);
    value.as_str().into_iter().chain(list)
}

pub(super) const WITHOUT: &str =
    "requests in clear and uploads with other encryption, or none, are taken";

#[cfg(test)]
mod tests {
    use super::*;

    const HTTP: &str = r#"{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*",
        "Condition":{"Bool":{"aws:SecureTransport":"false"}}}"#;
    const SSE: &str = r#"{"Effect":"Deny","Principal":{"AWS":["*"]},"Action":["s3:PutObject"],
        "Condition":{"Null":{"s3:x-amz-server-side-encryption":"true"}}}"#;

    fn level(statements: &str) -> Level {
        judge("bucket-policy", &format!(r#"{{"Statement":{statements}}}"#)).level
    }

    #[test]
    fn a_policy_is_judged_by_what_it_refuses() {
        assert_eq!(level(&format!("[{HTTP},{SSE}]")), Level::Ok);
        assert_eq!(level(&format!("[{HTTP}]")), Level::Warning);
        assert_eq!(level(SSE), Level::Warning);
        assert_eq!(level("[]"), Level::Warning);
        let for_one = HTTP.replace(r#""*","Action""#, r#"{"AWS":"arn:x"},"Action""#);
        assert_eq!(level(&format!("[{for_one},{SSE}]")), Level::Warning);
        let allowed = HTTP.replace("Deny", "Allow");
        assert_eq!(level(&format!("[{allowed},{SSE}]")), Level::Warning);
    }

    #[test]
    fn everybody_is_a_problem() {
        for principal in [r#""*""#, r#"{"AWS":"*"}"#, r#"{"AWS":["x","*"]}"#] {
            let open = format!(r#"{{"Effect":"Allow","Principal":{principal},"Action":"s3:*"}}"#);
            assert_eq!(level(&format!("[{HTTP},{SSE},{open}]")), Level::Problem, "{principal}");
        }
        assert_eq!(judge("bucket-policy", "{").level, Level::Problem);
    }
}
