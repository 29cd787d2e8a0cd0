//! What is wrong, from all that differs: which of the two that differ is to be believed.

use event_store::Database;

use super::VerifyFailure;
use super::compare::{Compared, Met};
use super::kind::{Finding, Kind};
use super::reference::Reference;
use super::walk::Walked;
use crate::hash::Hash;
use crate::leaf::Leaf;
use crate::rows;

/// How far an event is looked for that is not where it was.
const WINDOW: i64 = 4_096;

pub(super) async fn findings(database: &Database, walked: Walked) -> Result<Vec<Finding>, VerifyFailure> {
    let Walked { head, proven, compared, mut findings, stopped_at } = walked;
    // Behind what could not be read there is nothing to compare.
    let end = stopped_at.map_or(head, |stopped| stopped.saturating_sub(1));
    let mut wrong_from: Option<u64> = None;
    let mut tiles_differ_from = u64::MAX;
    for reference in &compared.references {
        let Some(index) = reference.differs.filter(|index| rows::number(*index) < end) else { continue };
        let position = rows::number(index.saturating_add(1));
        if proven > index {
            let words =
                format!("{} has another leaf than the log, which the checkpoint of {proven} confirms", reference.name);
            findings.push(Finding::new(position, Kind::Tree, words));
            continue;
        }
        if !reference.is_outside() {
            tiles_differ_from = index;
        }
        wrong_from = Some(wrong_from.map_or(index, |from| from.min(index)));
        let is_told = findings.iter().any(|finding| finding.position == position && finding.kind == Kind::Removed);
        if !is_told {
            let is_rewritten = reference.is_outside() && tiles_differ_from > index;
            findings.push(told(database, reference, index, end, is_rewritten).await?);
        }
    }
    findings.extend(disagreeing(&compared, wrong_from));
    // A damaged tile is a consequence where the leaves below it are not the log's any more.
    findings.extend(compared.damages.iter().filter(|_damage| wrong_from.is_none()).cloned());
    if stopped_at.is_none() {
        findings.extend(cut_off(&compared, head));
    }
    Ok(findings)
}

/// Checkpoints the log does not agree with, where nothing else says why.
fn disagreeing(compared: &Compared, wrong_from: Option<u64>) -> Option<Finding> {
    let is_unexplained = |met: &&Met| !met.agrees && wrong_from.is_none_or(|from| met.signed.size <= from);
    let Met { signed, .. } = compared.met.iter().find(is_unexplained)?;
    let agreeing: Vec<u64> = compared.met.iter().filter(|met| met.agrees).map(|met| met.signed.size).collect();
    let before = agreeing.iter().rev().find(|size| **size < signed.size).copied().unwrap_or_default();
    let position = rows::number(before.saturating_add(1));
    let upto = signed.size;
    Some(match agreeing.iter().find(|size| **size >= signed.size) {
        Some(other) => {
            let words = format!(
                "the checkpoint of {upto} ({}) and that of {other} cannot be of one log: this log is that of {other}; \
                 they part from here on, by {upto} at the latest",
                signed.source
            );
            Finding::new(position, Kind::Fork, words)
        }
        None => {
            let words = format!(
                "the log and its tree are not what was signed as of {upto} ({}): they differ from here on, by {upto} at \
                 the latest",
                signed.source
            );
            Finding::new(position, Kind::Rewritten, words)
        }
    })
}

fn cut_off(compared: &Compared, head: i64) -> Option<Finding> {
    let size = u64::try_from(head).unwrap_or_default();
    let signed = compared.beyond().iter().map(|signed| (signed.size, format!("a checkpoint ({})", signed.source)));
    let kept = compared.references.iter().map(|reference| (reference.count, reference.name.clone()));
    let (beyond, name) =
        signed.chain(kept).filter(|(beyond, _name)| *beyond > size).max_by_key(|(beyond, _name)| *beyond)?;
    let words = format!("the log ends at {head}, and {name} is of {beyond}");
    Some(Finding::new(head.saturating_add(1), Kind::CutOff, words))
}

/// What became of the event that was at a place: hashed as of another position it is known again.
async fn told(
    database: &Database,
    reference: &Reference,
    index: u64,
    end: i64,
    is_rewritten: bool,
) -> Result<Finding, VerifyFailure> {
    let position = rows::number(index.saturating_add(1));
    if is_rewritten {
        let words = format!("the log and its tree were changed together: {} has another leaf here", reference.name);
        return Ok(Finding::new(position, Kind::Rewritten, words));
    }
    let window = usize::try_from(WINDOW).unwrap_or_default();
    let were = reference.leaves(index, window).await?;
    let upto = end.min(position.saturating_add(WINDOW).saturating_sub(1));
    let run = database.bulk().await?.run(position.saturating_sub(1), upto).await?;
    let (mut room, mut found, mut moved_up) = (Vec::new(), None, None);
    let Some(was_here) = were.first() else {
        let words = format!("{} has no leaf here any more", reference.name);
        return Ok(Finding::new(position, Kind::Tree, words));
    };
    run.glance(|event| {
        let mut leaf = Leaf::from(&event);
        let stands_at = leaf.position;
        leaf.position = position;
        if found.is_none() && leaf.hash(&mut room) == *was_here {
            found = Some(stands_at);
        }
        if stands_at == position && moved_up.is_none() {
            moved_up = belongs(leaf, &were, position, &mut room);
        }
    });
    Ok(match (found, moved_up) {
        (Some(there), Some(from)) if there == from => {
            Finding::new(position, Kind::Swapped, format!("this event and the one at {there} have changed places"))
        }
        (Some(there), _) => {
            Finding::new(position, Kind::Inserted, format!("the event that belongs here stands at {there}"))
        }
        (None, Some(from)) => Finding::new(
            position,
            Kind::Removed,
            format!("the event that was here is gone, and the one of position {from} has moved up to here"),
        ),
        (None, None) => {
            Finding::new(position, Kind::Changed, format!("the event is not the one {} has", reference.name))
        }
    })
}

/// The later position this event was hashed at, if any.
fn belongs(mut leaf: Leaf<'_>, were: &[Hash], position: i64, room: &mut Vec<u8>) -> Option<i64> {
    (position..).zip(were).skip(1).find_map(|(at, was)| {
        leaf.position = at;
        (leaf.hash(room) == *was).then_some(at)
    })
}
