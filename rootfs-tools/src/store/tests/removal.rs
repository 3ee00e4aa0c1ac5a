//! Each row of the table in `remove.rs`.

use super::Place;
use crate::{Digest, Error, Image, Removed};

const NOBODY: &dyn Fn(&Image) -> Option<String> = &|_| None;
const WEB: &dyn Fn(&Image) -> Option<String> = &|_| Some("web (running)".into());

fn lines(removed: Result<Vec<Removed>, Error>) -> Vec<String> {
    removed.unwrap().iter().map(ToString::to_string).collect()
}

/// The layer that `Place::import` makes of this content.
fn layer(content: &str) -> Digest {
    Digest::of(&super::archive(content))
}

#[test]
fn pure_the_last_name_takes_the_image_and_its_layer_along() {
    let place = Place::new();
    let image = place.import("x", "x");
    let removed = lines(place.store.remove("x", false, NOBODY));
    let deleted = format!("Deleted: {}", layer("x"));
    assert_eq!(removed, ["Untagged: x:latest".to_string(), format!("Deleted: {}", image.id), deleted]);
    for part in ["names", "images", "layers", "l", "scratch"] {
        assert!(place.entries(part).is_empty(), "{part}");
    }
    assert!(matches!(place.store.remove("x", false, NOBODY), Err(Error::NoSuchImage(_))));
}

#[test]
fn pure_one_of_many_names_goes_alone_even_if_the_image_is_used() {
    let place = Place::new();
    place.import("x", "x");
    place.import("x", "y");
    assert_eq!(lines(place.store.remove("x", false, WEB)), ["Untagged: x:latest"]);
    assert!(place.store.find("y").is_ok());
}

#[test]
fn pure_an_id_with_many_names_wants_a_name_or_force() {
    let place = Place::new();
    let id = place.import("x", "x").id.to_string();
    place.import("x", "y");
    let said = place.store.remove(&id, false, NOBODY).unwrap_err().sentence();
    assert!(said.contains("several names (x:latest, y:latest)"), "{said}");
    let removed = lines(place.store.remove(&id, true, NOBODY));
    assert_eq!(removed[..2], ["Untagged: x:latest", "Untagged: y:latest"]);
    assert!(place.store.list().unwrap().is_empty());
}

#[test]
fn pure_a_used_image_stays_and_its_user_is_named() {
    let place = Place::new();
    let image = place.import("x", "x");
    let said = place.store.remove("x", false, WEB).unwrap_err().sentence();
    assert_eq!(said, "cannot remove image x: container web (running) is using it; remove the container first");
    assert!(place.store.find("x").is_ok());
    assert_eq!(lines(place.store.remove("x", true, WEB)), ["Untagged: x:latest"]);
    assert!(image.layers[0].join("file").exists());
    let by_id = place.store.remove(&image.id.to_string(), true, WEB);
    assert!(matches!(by_id, Err(Error::InUse { .. })));
    assert_eq!(lines(place.store.remove(&image.id.to_string(), false, NOBODY)).len(), 2);
}

#[test]
fn pure_a_shared_layer_stays_with_the_image_that_still_has_it() {
    let place = Place::new();
    let kept = place.import("x", "x");
    let other = crate::ImportOptions { comment: Some("other".into()), ..super::options() };
    let archive = super::archive("x");
    let gone = place.store.import(archive.as_slice(), Some(&super::reference("y")), other).unwrap();
    assert_ne!(kept.id, gone.id);
    assert_eq!(
        lines(place.store.remove("y", false, NOBODY)),
        ["Untagged: y:latest".to_string(), format!("Deleted: {}", gone.id)]
    );
    assert!(kept.layers[0].join("file").exists());
}

#[test]
fn pure_nothing_is_removed_while_somebody_holds_the_store() {
    let place = Place::new();
    place.import("x", "x");
    let hold = place.store.hold().unwrap();
    std::thread::scope(|scope| {
        let remover = scope.spawn(|| place.store.remove("x", false, NOBODY));
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert!(place.store.find("x").is_ok());
        drop(hold);
        remover.join().unwrap().unwrap();
    });
    assert!(place.store.find("x").is_err());
}
