//! The way down as lines: each object is deleted by its own key.
//!
//! ```text
//! Element   nft 'delete element inet pontoon publish4 { tcp . 8080 }'      the key alone, whatever it maps to
//! Veth      ip link del web.1k3f9                                          its other end goes with it
//! Bridge    ip link del br-a                                               addresses and settings go with it
//! ```

use super::Line;
use crate::plan::{Place, Step};

/// The line that takes a step back from a container that lives on: also its routes go.
pub(super) fn live(step: &Step) -> Option<Line> {
    match step {
        Step::Cable { name, .. } => {
            Some(Line::new(format!("ip -n \"$netns\" link del {name}"), "the other container's end goes with it"))
        }
        Step::Route { place: Place::Container, .. } => {
            let text = step.to_string().replacen(" route add ", " route del ", 1);
            Some(Line::new(text, "it does not lead that way any more"))
        }
        _ => line(step),
    }
}

/// The line that undoes a step; `None` where nothing needs to be done.
pub(super) fn line(step: &Step) -> Option<Line> {
    match step {
        Step::Element(element) => {
            let (table, set, key) = (element.table(), element.set(), element.key_text());
            Some(Line::new(format!("nft 'delete element {table} pontoon {set} {{ {key} }}'"), "by its key"))
        }
        Step::Bridge { name, .. } => {
            Some(Line::new(format!("ip link del {name}"), "its address, routes and settings go with it"))
        }
        Step::Veth { name, .. } => Some(Line::new(format!("ip link del {name}"), "the container's end goes with it")),
        _ => None,
    }
}
