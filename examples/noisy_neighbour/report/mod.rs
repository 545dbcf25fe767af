//! How the numbers are shown: on the terminal, in a page, and as JSON.

mod page;
mod picture;
mod table;

use std::error::Error;
use std::path::Path;

use serde::Serialize;

use crate::measure::Run;
use crate::support::files;

/// Everything that there is to tell.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) runs: Vec<Run>,
}

impl Report {
    /// Writes the page and the numbers, and says where.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), Box<dyn Error>> {
        files::put(&folder.join("report.json"), &(serde_json::to_string_pretty(self)? + "\n"))?;
        files::put(&folder.join("report.html"), &page::html(self)?)?;
        Ok(())
    }

    /// The finding, from the numbers and nothing else: a sentence for each run.
    fn verdicts(&self) -> impl Iterator<Item = String> {
        self.runs.iter().map(|run| {
            let Run { name, tenants, hurt, same_hand, hurt_with_another_hand: astray, servers_killed, .. } = run;
            let who = match (*hurt, *astray) {
                (0, _) => "nobody is hurt".to_owned(),
                (hurt, _) if hurt == *tenants => format!("all {tenants} tenants are hurt"),
                (hurt, 0) => {
                    format!("{hurt} of {tenants} tenants hurt: of the {same_hand} with the very same servers, and of nobody else")
                }
                (hurt, astray) => format!("{hurt} of {tenants} tenants hurt, {astray} of them with another server to go to"),
            };
            format!("{name}: {servers_killed} servers killed, {who}")
        })
    }
}
