//! docs/modes/policy.md as a test reads it: the scene that is typed, and a verdict for each cell.
//!
//! ```text
//!   ```toml … ```, ```bash … ```                   the host's settings, the scene
//!   | from | `host:8080` | …                       a table is about reaching if its first column is called "from"
//!   | `near`, on the same network | gateway | …    ── Cell { from: "near", to: "host", port: 8080, verdicts: [Gateway; 2] }
//! ```

/// What a cell says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Reached; the server sees the client's own address.
    Yes,
    /// Reached; the server sees its gateway.
    Gateway,
    /// Reached; the server sees the host.
    Host,
    /// Not reached.
    No,
}

/// One question of the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Who asks.
    pub from: String,
    /// Whom, and at which port.
    pub to: String,
    pub port: u16,
    /// What comes of it, without and with `br_netfilter`.
    pub verdicts: [Verdict; 2],
}

/// The commands of the first block of bash.
pub fn scene(page: &str) -> &str {
    block(page, "bash")
}

/// The host's settings: the first block of TOML.
pub fn settings(page: &str) -> &str {
    block(page, "toml")
}

fn block<'a>(page: &'a str, language: &str) -> &'a str {
    let begin = page.split_once(&format!("```{language}\n")).expect("the page has such a block").1;
    begin.split_once("```").expect("a block ends").0
}

/// All cells of all tables whose first column is called "from".
pub fn cells(page: &str) -> Vec<Cell> {
    let mut cells = Vec::new();
    let mut columns: Vec<(String, u16)> = Vec::new();
    for line in page.lines() {
        let Some(row) = line.strip_prefix('|') else {
            columns.clear();
            continue;
        };
        let row: Vec<&str> = row.trim_end_matches('|').split('|').map(str::trim).collect();
        match (row[0], columns.is_empty()) {
            ("from", _) => columns = row[1..].iter().map(|text| target(text)).collect(),
            (rule, _) if rule.starts_with("---") => {}
            (_, true) => {}
            (from, false) => cells.extend(in_row(from, &row[1..], &columns)),
        }
    }
    cells
}

fn in_row(from: &str, row: &[&str], columns: &[(String, u16)]) -> Vec<Cell> {
    assert_eq!(row.len(), columns.len(), "the row {from} has a cell for each column");
    let cell = |(text, (to, port)): (&&str, &(String, u16))| {
        let verdicts = verdicts(text)?;
        Some(Cell { from: quoted(from).to_owned(), to: to.clone(), port: *port, verdicts })
    };
    row.iter().zip(columns).filter_map(cell).collect()
}

/// `web:80`
fn target(text: &str) -> (String, u16) {
    let (name, port) = quoted(text).split_once(':').unwrap_or_else(|| panic!("{text} is a target"));
    (name.to_owned(), port.parse().unwrap_or_else(|_| panic!("{text} has a port")))
}

/// What stands between backticks.
fn quoted(text: &str) -> &str {
    text.split('`').nth(1).unwrap_or_else(|| panic!("{text} names something in backticks"))
}

/// Nothing for a question that does not arise.
fn verdicts(text: &str) -> Option<[Verdict; 2]> {
    let mut said = text.split('/').map(str::trim);
    let without = verdict(said.next()?)?;
    Some([without, said.next().map_or(Some(without), verdict)?])
}

fn verdict(text: &str) -> Option<Verdict> {
    match text {
        "" => None,
        "yes" => Some(Verdict::Yes),
        "gateway" => Some(Verdict::Gateway),
        "host" => Some(Verdict::Host),
        "no" => Some(Verdict::No),
        other => panic!("{other:?} is no verdict"),
    }
}

#[test]
fn pure_a_page_is_read_cell_by_cell() {
    let page = "x\n```bash\na\nb\n```\n| word | meaning |\n|---|---|\n| yes | reached |\n\n\
                | from | `host:80` | `web:81` |\n|---|---|---|\n| `lan`, far | yes | |\n| `web` | gateway / no | no |\n";
    assert_eq!(scene(page), "a\nb\n");
    let cell = |from: &str, to: &str, port, verdicts| Cell { from: from.into(), to: to.into(), port, verdicts };
    let expected = [
        cell("lan", "host", 80, [Verdict::Yes; 2]),
        cell("web", "host", 80, [Verdict::Gateway, Verdict::No]),
        cell("web", "web", 81, [Verdict::No; 2]),
    ];
    assert_eq!(cells(page), expected);
}
