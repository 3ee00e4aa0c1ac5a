//! `image import`, `image build`, `images`, `rmi`.

use pontoon_tests::Host;

use crate::given::sleeper;

/// Makes a rootfs with a shell and a file.
const ROOTFS: &str = "mkdir -p /run/test/r/bin; cp /bin/busybox /run/test/r/bin/sh; echo hello > /run/test/r/file";

#[test]
fn root_image_import_plain_and_compressed() {
    let host = Host::ready();
    host.sh(ROOTFS).ok();
    host.sh("tar -C /run/test/r -cf /run/test/r.tar . ; gzip -k /run/test/r.tar").ok();
    let id = host.sh("pontoon image import /run/test/r.tar plain").ok();
    assert!(id.starts_with("sha256:") && id.len() == 71, "{id}");
    host.sh("pontoon image import /run/test/r.tar.gz packed:v1").ok();
    for name in ["plain", "plain:latest", "packed:v1", &id, &id[7..19]] {
        assert_eq!(
            host.sh(&format!("pontoon run --rm {name} /bin/sh -c 'read l < /file; echo $l'")).ok(),
            "hello",
            "{name}"
        );
    }
    host.sh("pontoon rmi plain packed:v1").ok();
    host.sh("pontoon run --rm plain /bin/sh").expect(125);
}

#[test]
fn root_image_import_of_nonsense_is_refused() {
    let host = Host::ready();
    host.sh("head -c 100000 /dev/urandom > /run/test/noise").ok();
    host.sh("pontoon image import /run/test/noise noise").refused(125, "noise");
    host.sh("pontoon image import /run/test/nosuch noise").refused(125, "/run/test/nosuch");
    host.sh(&format!("{ROOTFS}; tar -C /run/test/r -c . | gzip | head -c 5000 > /run/test/torn")).ok();
    host.sh("pontoon image import /run/test/torn torn").expect(125);
    assert!(!host.sh("pontoon images").ok().contains("torn"));
}

#[test]
fn root_images_has_docker_s_columns() {
    let host = Host::ready();
    let table = host.sh("pontoon images").ok();
    let head: Vec<&str> =
        table.lines().next().expect("a header").split("   ").map(str::trim).filter(|s| !s.is_empty()).collect();
    assert_eq!(head, ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"]);
    let row: Vec<&str> = table.lines().nth(1).expect("busybox").split_whitespace().collect();
    assert_eq!((row[0], row[1], row[2].len()), ("busybox", "latest", 12));
    assert_eq!(host.sh("pontoon images -q").ok(), row[2]);
}

#[test]
fn root_rmi_refuses_what_a_container_uses() {
    let host = Host::ready();
    sleeper(&host, "x", "");
    let refused = host.sh("pontoon rmi busybox");
    assert!(refused.code != 0 && refused.err().contains('x'), "{refused}");
    host.sh("pontoon stop -t 0 x").ok();
    assert_ne!(host.sh("pontoon rmi busybox").code, 0, "a stopped container uses it too");
    host.sh("pontoon start x; pontoon rm -f x; pontoon rmi busybox").ok();
    assert_ne!(host.sh("pontoon rmi nosuch").code, 0);
    host.sh("pontoon run --rm busybox true").ok();
}

#[test]
fn root_image_build_of_the_recipe_is_the_built_in_one() {
    let host = Host::ready();
    let recipe = concat!(env!("CARGO_MANIFEST_DIR"), "/../images/busybox");
    let id = host.sh("pontoon images -q --no-trunc").ok();
    host.sh(&format!("pontoon image build {recipe}")).ok();
    assert_eq!(host.sh("pontoon images -q --no-trunc").ok(), id, "built twice, the same image");
    let applets = host
        .sh("pontoon run --rm busybox sh -c 'which ls wget httpd nslookup | wc -l; id nobody; grep root /etc/group'")
        .ok();
    assert!(applets.starts_with("4\n") && applets.contains("(nobody)"), "{applets}");
}

#[test]
fn root_containers_do_not_see_each_other_s_files() {
    let host = Host::ready();
    sleeper(&host, "x", "");
    sleeper(&host, "y", "");
    host.sh("pontoon exec x sh -c 'echo mine > /etc/motd; rm /etc/passwd'").ok();
    assert_ne!(host.sh("pontoon exec y cat /etc/motd").code, 0);
    host.sh("pontoon exec y cat /etc/passwd").ok();
    host.sh("pontoon run --rm busybox cat /etc/passwd").ok();
    host.sh("pontoon rm -f x y").ok();
}
