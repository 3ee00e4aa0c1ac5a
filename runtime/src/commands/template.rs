//! `--format`: Go templates over JSON, with the functions that Docker adds.
//!
//! ```text
//! {{.State.Pid}}   {{json .Config}}   {{join .Args " "}}   json   table {{.Names}}\t{{.Status}}
//! ```

use anyhow::{Result, anyhow};
use gtmpl_ng::{Context, FuncError, Number, Template, Value};
use serde_json::Value as Json;

/// Renders `template` over `value`; `json` alone is the whole value.
///
/// # Errors
/// A sentence about the template.
pub fn render(template: &str, value: &Json) -> Result<String> {
    if template == "json" {
        return Ok(serde_json::to_string(value)?);
    }
    let mut parsed = Template::default();
    for (name, function) in FUNCTIONS {
        parsed.add_func(name, function);
    }
    let text = template.replace("\\t", "\t").replace("\\n", "\n");
    parsed.parse(text).map_err(|error| anyhow!("template parsing error: {error}"))?;
    parsed.render(&Context::from(convert(value))).map_err(|error| anyhow!("template: {error}"))
}

/// Renders one line for each row, with a heading and aligned columns after `table`.
///
/// # Errors
/// As [`render`].
pub fn lines(template: &str, rows: &[Json]) -> Result<String> {
    let Some(columns) = template.strip_prefix("table ") else {
        return rows.iter().map(|row| render(template, row).map(|line| line + "\n")).collect();
    };
    let mut table = super::table::Table::default();
    table.row(headings(columns));
    for row in rows {
        table.row(render(columns, row)?.split('\t').map(str::to_owned).collect());
    }
    Ok(table.to_string())
}

/// `{{.ID}}\t{{.Names}}` -> ID, NAMES.
fn headings(columns: &str) -> Vec<String> {
    let text = columns.replace("\\t", "\t");
    let bare = |column: &str| column.trim_matches(|c: char| !c.is_alphanumeric()).to_uppercase();
    text.split('\t').map(bare).collect()
}

type Function = fn(&[Value]) -> Result<Value, FuncError>;

const FUNCTIONS: [(&str, Function); 6] =
    [("json", json), ("join", join), ("split", split), ("upper", upper), ("lower", lower), ("title", title)];

fn json(arguments: &[Value]) -> Result<Value, FuncError> {
    let [value] = arguments else { return Err(FuncError::ExactlyXArgs("json".into(), 1)) };
    Ok(Value::String(back(value).to_string()))
}

fn join(arguments: &[Value]) -> Result<Value, FuncError> {
    let [Value::Array(words), Value::String(separator)] = arguments else {
        return Err(FuncError::Generic("join takes a list and a separator".into()));
    };
    Ok(Value::String(words.iter().map(ToString::to_string).collect::<Vec<_>>().join(separator)))
}

fn split(arguments: &[Value]) -> Result<Value, FuncError> {
    let [Value::String(text), Value::String(separator)] = arguments else {
        return Err(FuncError::Generic("split takes a text and a separator".into()));
    };
    Ok(Value::Array(text.split(separator.as_str()).map(|word| Value::String(word.to_owned())).collect()))
}

fn upper(arguments: &[Value]) -> Result<Value, FuncError> {
    text("upper", arguments, str::to_uppercase)
}

fn lower(arguments: &[Value]) -> Result<Value, FuncError> {
    text("lower", arguments, str::to_lowercase)
}

fn title(arguments: &[Value]) -> Result<Value, FuncError> {
    text("title", arguments, |text| {
        let mut letters = text.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    })
}

fn text(name: &str, arguments: &[Value], change: impl Fn(&str) -> String) -> Result<Value, FuncError> {
    let [value] = arguments else { return Err(FuncError::ExactlyXArgs(name.into(), 1)) };
    Ok(Value::String(change(&value.to_string())))
}

fn convert(value: &Json) -> Value {
    match value {
        Json::Null => Value::Nil,
        Json::Bool(is) => Value::Bool(*is),
        Json::Number(number) => number.as_i64().map_or_else(
            || Value::Number(Number::from(number.as_f64().unwrap_or_default())),
            |whole| Value::Number(Number::from(whole)),
        ),
        Json::String(text) => Value::String(text.clone()),
        Json::Array(all) => Value::Array(all.iter().map(convert).collect()),
        Json::Object(all) => Value::Map(all.iter().map(|(key, value)| (key.clone(), convert(value))).collect()),
    }
}

fn back(value: &Value) -> Json {
    match value {
        Value::Bool(is) => Json::Bool(*is),
        Value::String(text) => Json::String(text.clone()),
        Value::Array(all) => Json::Array(all.iter().map(back).collect()),
        Value::Map(all) | Value::Object(all) => {
            Json::Object(all.iter().map(|(key, value)| (key.clone(), back(value))).collect())
        }
        Value::Number(number) => serde_json::from_str(&number.to_string()).unwrap_or(Json::Null),
        Value::NoValue | Value::Nil | Value::Function(_) => Json::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn docker_templates_work() -> Result<()> {
        let value = json!({"State": {"Pid": 42, "Running": true}, "Name": "/web", "Args": ["a", "b"],
            "Networks": {"my-net": {"IPAddress": "172.18.0.2"}}});
        for (template, expected) in [
            ("{{.State.Pid}}", "42"),
            ("{{json .State}}", r#"{"Pid":42,"Running":true}"#),
            ("{{join .Args \"-\"}}", "a-b"),
            ("{{range $name, $it := .Networks}}{{$name}}={{$it.IPAddress}}{{end}}", "my-net=172.18.0.2"),
            ("{{(index .Networks \"my-net\").IPAddress}}", "172.18.0.2"),
            ("{{if .State.Running}}up{{else}}down{{end}}", "up"),
            ("{{upper .Name}}", "/WEB"),
            ("{{printf \"%s!\" .Name}}", "/web!"),
            ("{{len .Args}}", "2"),
        ] {
            assert_eq!(render(template, &value)?, expected, "{template}");
        }
        assert!(render("{{.State", &value).is_err());
        Ok(())
    }

    #[test]
    fn tables_have_headings() -> Result<()> {
        let rows = [json!({"Names": "web", "Status": "Up"}), json!({"Names": "a", "Status": "Exited"})];
        assert_eq!(
            lines("table {{.Names}}\\t{{.Status}}", &rows)?,
            "NAMES     STATUS\nweb       Up\na         Exited\n"
        );
        assert_eq!(lines("{{.Names}}", &rows)?, "web\na\n");
        Ok(())
    }
}
