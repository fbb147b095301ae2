//! Removing data sources.

use serde_json::json;

use super::place::{absent, choose, places};
use crate::error::Result;
use crate::manage::Outcome;
use crate::manage::secrets::Common;
use crate::manage::secrets::change::agree;
use crate::manage::secrets::common::said;
use crate::manage::secrets::session::with;

pub(super) fn run(common: &Common, names: &[String]) -> Result<Outcome> {
    with(common, async |session| {
        let place = choose(places(session).await?, common)?;
        for name in names {
            let path = place.path_of(name);
            // One that can't be used can be removed all the same.
            if place.stored(session, &path).current().await?.keys.is_empty() {
                return Err(absent(&place, name));
            }
        }
        let is_versioned = place.stored(session, &place.path).is_versioned();
        if !is_versioned && !common.yes {
            agree(&format!("{} is KV version 1: what is removed can't be restored. Go on?", place.path))?;
        }
        for name in names {
            let path = place.path_of(name);
            place.stored(session, &path).delete().await?;
        }
        let listed = names.join(", ");
        let undo = if is_versioned { "; `jupyter-vault sources restore NAME` brings it back" } else { "" };
        let sentence = format!("removed {listed} from {}{undo}", place.path);
        Ok(said(common, &sentence, &json!({ "names": names, "source": place.path, "done": "removed" })))
    })
}
