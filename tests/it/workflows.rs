//! The workflows that come with the repository, as text: what each of those that go by the list must have.

use std::fs;

#[test]
fn what_goes_by_the_list_goes_by_its_lock_and_what_copies_by_it_never_runs_beside_another() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/.github/workflows");
    let mut of_list = 0;
    for file in fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()) {
        let text = fs::read_to_string(&file).unwrap();
        if !text.contains("          config: ") {
            continue;
        }
        of_list += 1;
        // `refresh.yml` writes the lock, the others hold to it where it is there.
        let wanted: &[&str] = if text.contains("          dry-run: true\n") {
            &["          lock: images.lock\n"]
        } else if text.contains("      packages: write") {
            &[
                "          lock: ${{ steps.lock.outputs.file }}\n",
                "          frozen: ${{ steps.lock.outputs.frozen || false }}\n",
                "          pull-budget: auto\n",
                "  group: sync\n",
            ]
        } else {
            &["          lock: ${{ steps.lock.outputs.file }}\n"]
        };
        for part in wanted {
            assert!(text.contains(part), "{}: {part}", file.display());
        }
    }
    assert_eq!(of_list, 4);
}
