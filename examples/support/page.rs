//! The frame of a page, and the look that all of them share.

use std::fmt::Write;

use super::canvas::{COLOURS, Colour, Plot};

/// Up to where its contents begin. `style` is for what this page only has.
pub(crate) fn head(title: &str, style: &str) -> Result<String, std::fmt::Error> {
    let mut page = String::new();
    let looks = LOOKS
        .replace("/*light*/", &variables(|colour| colour.light))
        .replace("/*dark*/", &variables(|colour| colour.dark));
    write!(page, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")?;
    writeln!(page, "<meta name=\"viewport\" content=\"width=device-width\">")?;
    writeln!(page, "<title>{title}</title>\n<style>{looks}{}</style>\n</head>\n<body>", style.trim_start())?;
    Ok(page)
}

/// From where its contents end.
pub(crate) const FOOT: &str = "</body>\n</html>";

/// A plot and what one sees in it.
pub(crate) fn figure(page: &mut String, title: &str, plot: &Plot, caption: &str) -> std::fmt::Result {
    let svg = plot.themed();
    writeln!(page, "<figure>\n<h2>{title}</h2>\n{svg}\n<figcaption>{caption}</figcaption>\n</figure>")
}

/// A table whose rows have a class each, and whose first columns are words.
pub(crate) fn grid<'a, const N: usize>(
    page: &mut String,
    title: &str,
    words: usize,
    head: [&str; N],
    rows: impl Iterator<Item = (&'a str, [String; N])>,
) -> std::fmt::Result {
    writeln!(page, "<h2>{title}</h2>\n<div class=\"wide\"><table class=\"words-{words}\">\n<tr>")?;
    for head in head {
        write!(page, "<th>{head}</th>")?;
    }
    writeln!(page, "</tr>")?;
    for (class, row) in rows {
        write!(page, "<tr class=\"{class}\">")?;
        for cell in row {
            write!(page, "<td>{cell}</td>")?;
        }
        writeln!(page, "</tr>")?;
    }
    writeln!(page, "</table></div>")
}

fn variables(on: impl Fn(&Colour) -> &str) -> String {
    let each = COLOURS.iter();
    each.map(|colour| format!("--{}:{};", colour.name, on(colour))).collect()
}

const LOOKS: &str = "
:root { color-scheme: light dark; --page: #fff; /*light*/ }
@media (prefers-color-scheme: dark) { :root { --page: #12191d; /*dark*/ } }
body { margin: 3rem auto 4rem; padding: 0 1.25rem; max-width: 47.5rem; background: var(--page); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, 'Segoe UI', Inter, Helvetica, Arial, sans-serif; }
h1 { margin: 0 0 .75rem; font-size: 1.9rem; line-height: 1.2; letter-spacing: -.02em; }
h2 { margin: 2.5rem 0 .5rem; font-size: 1.1rem; }
.lead { margin: 0 0 1rem; font-size: 1.1rem; }
.key { margin: 0 0 2.5rem; color: var(--soft); font-size: .9rem; }
.key b { margin-right: .2rem; } .key b + b { margin-left: 1.2rem; }
.key .bare { color: var(--bare); } .key .protected { color: var(--protected); }
figure { margin: 0 0 3rem; }
svg { display: block; width: 100%; height: auto; }
svg text { font-family: inherit; }
figcaption, .fine { color: var(--soft); font-size: .9rem; max-width: 42rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .85rem; font-variant-numeric: tabular-nums; white-space: nowrap; }
th { color: var(--soft); font-weight: 500; white-space: normal; vertical-align: bottom; }
th, td { padding: .35rem .5rem; text-align: right; border-bottom: 1px solid var(--grid); }
";
