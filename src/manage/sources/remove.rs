//! Removing data sources.

use serde_json::json;

use super::folder::{absent, choose, folders};
use crate::error::Result;
use crate::manage::Outcome;
use crate::manage::secrets::Common;
use crate::manage::secrets::change::agree;
use crate::manage::secrets::common::outcome;
use crate::manage::secrets::session::with;

pub(super) fn run(common: &Common, names: &[String]) -> Result<Outcome> {
    with(common, async |session| {
        let folder = choose(folders(session).await?, common)?;
        for name in names {
            let path = folder.path_of(name);
            // A data source that can't be used can still be removed.
            if folder.stored(session, &path).current().await?.keys.is_empty() {
                return Err(absent(&folder, name));
            }
        }
        let is_versioned = folder.stored(session, &folder.path).is_versioned();
        if !is_versioned && !common.yes {
            agree(&format!("{} is KV version 1: a removed data source can't be restored. Continue?", folder.path))?;
        }
        for name in names {
            let path = folder.path_of(name);
            folder.stored(session, &path).delete().await?;
        }
        let listed = names.join(", ");
        let undo = if is_versioned { "; `jupyter-vault sources restore NAME` undoes it" } else { "" };
        let sentence = format!("removed {listed} from {}{undo}", folder.path);
        Ok(outcome(common, &sentence, &json!({ "names": names, "source": folder.path, "done": "removed" })))
    })
}
