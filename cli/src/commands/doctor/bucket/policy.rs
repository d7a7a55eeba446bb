//! What a bucket policy that is there does, as far as it matters here.

use serde_json::Value;

use super::Finding;
use super::Level;

/// Judges the text of the policy of `bucket`.
pub(super) fn judge(name: &'static str, bucket: &str, policy: &str) -> Finding {
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
    let mut of_all = statements.iter().filter(|statement| is_of_all_objects(statement, bucket));
    let refuses_http = of_all.clone().any(refuses_plain_http);
    let refuses_plain = of_all.any(refuses_other_encryption);
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
        && !conditions(statement).any(|(operator, key, _)| limits(operator, key))
}

/// Whether a condition leaves only known callers, about as S3 tells what is public.
fn limits(operator: &str, key: &str) -> bool {
    let of_callers = ["aws:principal", "aws:source", "aws:userid", "aws:username"];
    let of_callers = of_callers.into_iter().chain(["s3:dataaccesspoint"]);
    let key = key.to_ascii_lowercase();
    let is_open = ["Not", "IfExists", "Null"].iter().any(|word| operator.contains(word));
    !is_open && { of_callers }.any(|name| key.starts_with(name))
}

/// Operator, key and value of each condition.
fn conditions(statement: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let operators = statement["Condition"].as_object().into_iter().flatten();
    operators.flat_map(|(operator, block)| {
        let block = block.as_object().into_iter().flatten();
        block.map(move |(key, value)| (operator.as_str(), key.as_str(), value))
    })
}

fn is_of_all_objects(statement: &Value, bucket: &str) -> bool {
    texts(&statement["Resource"]).any(|resource| {
        let name = resource.rsplit(":::").next().unwrap_or_default();
        resource == "*"
            || name == "*"
            || name == format!("{bucket}/*")
            || name == format!("{bucket}*")
    })
}

fn refuses_plain_http(statement: &Value) -> bool {
    let is_false = |value: &Value| *value == Value::Bool(false) || value == "false";
    let conditions: Vec<_> = conditions(statement).collect();
    let is_false = match &*conditions {
        [("Bool" | "BoolIfExists", key, value)] => {
            key.eq_ignore_ascii_case("aws:SecureTransport")
                && (is_false(value) || value.as_array().is_some_and(|all| all.iter().any(is_false)))
        }
        _ => false,
    };
    let all = texts(&statement["Action"]).any(|action| matches!(action, "s3:*" | "*"));
    statement["Effect"] == "Deny" && is_everybody(statement) && all && is_false
}

fn refuses_other_encryption(statement: &Value) -> bool {
    let put = |action: &str| matches!(action, "s3:PutObject" | "s3:Put*" | "s3:*" | "*");
    let is_header = |key: &str| key.eq_ignore_ascii_case("s3:x-amz-server-side-encryption");
    let is_missing = |value: &Value| *value == Value::Bool(true) || value == "true";
    let refuses = |(operator, _, value): (&str, &str, &Value)| {
        operator.starts_with("StringNot") || (operator == "Null" && is_missing(value))
    };
    statement["Effect"] == "Deny"
        && is_everybody(statement)
        && texts(&statement["Action"]).any(put)
        && conditions(statement).all(|(_, key, _)| is_header(key))
        && conditions(statement).any(refuses)
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
        "Resource":"arn:aws:s3:::demo/*","Condition":{"Null":{"s3:x-amz-server-side-encryption":"true"}}}"#;

    fn level(statements: &str) -> Level {
        judge("bucket-policy", "demo", &format!(r#"{{"Statement":{statements}}}"#)).level
    }

    #[test]
    fn a_policy_is_judged_by_what_it_refuses() {
        assert_eq!(level(&format!("[{HTTP},{SSE}]")), Level::Ok);
        assert_eq!(level(&format!("[{HTTP}]")), Level::Warning);
        assert_eq!(level(SSE), Level::Warning);
        assert_eq!(level("[]"), Level::Warning);
        let for_one = HTTP.replace(r#""*","Action""#, r#"{"AWS":"arn:x"},"Action""#);
        assert_eq!(level(&format!("[{for_one},{SSE}]")), Level::Warning);
        for (there, narrow) in [
            (r#""Resource":"*""#, r#""Resource":"arn:aws:s3:::demo/a/*""#),
            (r#""Resource":"*""#, r#""Resource":"arn:aws:s3:::demo""#),
            (r#""Bool":"#, r#""StringEquals":{"aws:username":"x"},"Bool":"#),
        ] {
            let http = HTTP.replace(there, narrow);
            assert_ne!(http, HTTP);
            assert_eq!(level(&format!("[{http},{SSE}]")), Level::Warning, "{narrow}");
        }
        for (there, narrow) in [
            (":::demo/*", ":::demo/a/*"),
            (r#":"true"}"#, r#":"false"}"#),
            (r#""Null":"#, r#""StringEquals":{"aws:username":"x"},"Null":"#),
        ] {
            let sse = SSE.replace(there, narrow);
            assert_ne!(sse, SSE);
            assert_eq!(level(&format!("[{HTTP},{sse}]")), Level::Warning, "{narrow}");
        }
        let allowed = HTTP.replace("Deny", "Allow");
        assert_eq!(level(&format!("[{allowed},{SSE}]")), Level::Problem);
    }

    #[test]
    fn everybody_is_a_problem() {
        for principal in [r#""*""#, r#"{"AWS":"*"}"#, r#"{"AWS":["x","*"]}"#] {
            let open = format!(r#"{{"Effect":"Allow","Principal":{principal},"Action":"s3:*"}}"#);
            assert_eq!(level(&format!("[{HTTP},{SSE},{open}]")), Level::Problem, "{principal}");
        }
        let open = |condition: &str| {
            format!(
                r#"{{"Effect":"Allow","Principal":"*","Action":"s3:*","Condition":{condition}}}"#
            )
        };
        for (condition, expected) in [
            (r#"{"Bool":{"aws:SecureTransport":"true"}}"#, Level::Problem),
            (r#"{"StringLike":{"aws:Referer":"https://x/*"}}"#, Level::Problem),
            (r#"{"NotIpAddress":{"aws:SourceIp":"192.0.2.0/24"}}"#, Level::Problem),
            (r#"{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}"#, Level::Ok),
            (r#"{"StringEquals":{"aws:PrincipalOrgID":"o-x"}}"#, Level::Ok),
        ] {
            assert_eq!(level(&format!("[{HTTP},{SSE},{}]", open(condition))), expected);
        }
        assert_eq!(judge("bucket-policy", "demo", "{").level, Level::Problem);
    }
}
