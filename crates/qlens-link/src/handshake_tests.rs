use super::*;

fn hub(seed: u64) -> Handshake {
    Handshake::new(true, seed)
}

fn processor(seed: u64) -> Handshake {
    Handshake::new(false, seed)
}

/// Lets those introduce themselves that have not heard of each other in a session, as often as needed;
/// nothing is lost.
fn join(a: &mut Handshake, b: &mut Handshake) {
    for _ in 0..4 {
        if !proven(a) {
            b.hear(&a.ask());
        }
        if !proven(b) {
            a.hear(&b.ask());
        }
        while a.wants_reply() || b.wants_reply() {
            if let Some(hello) = a.reply() {
                b.hear(&hello);
            }
            if let Some(hello) = b.reply() {
                a.hear(&hello);
            }
        }
    }
    if id(a) == id(b) {
        a.prove();
        b.prove();
    }
}

fn proven(it: &Handshake) -> bool {
    it.session().is_some_and(|session| session.proven)
}

fn id(it: &Handshake) -> Option<u16> {
    it.session().map(|session| session.id)
}

#[test]
fn both_sides_come_to_the_same_session() {
    let (mut a, mut b) = (hub(1), processor(2));
    join(&mut a, &mut b);
    assert!(id(&a).is_some());
    assert_eq!(id(&a), id(&b));
}

#[test]
fn three_frames_are_enough() {
    let (mut a, mut b) = (hub(1), processor(2));
    assert_eq!(b.hear(&a.ask()), Heard::Other);
    let answer = b.reply().unwrap();
    assert!(matches!(a.hear(&answer), Heard::Begun { boot } if boot != 0));
    assert!(matches!(b.hear(&a.ask()), Heard::Begun { boot } if boot != 0));
    assert_eq!(id(&a), id(&b));
}

/// Frames of before: held back by the link, played again by whoever listens.
#[test]
fn what_was_said_before_changes_nothing() {
    let (mut a, mut b) = (hub(1), processor(2));
    let mut said = std::vec![a.ask()];
    b.hear(&a.ask());
    let answer = b.reply().unwrap();
    said.push(b.ask());
    said.push(answer);
    a.hear(&answer);
    said.push(a.ask());
    b.hear(&a.ask());
    join(&mut a, &mut b);
    let session = (a.session(), b.session());
    for _ in 0..3 {
        for hello in &said {
            a.hear(hello);
            b.hear(hello);
            // The answers to those go out as well, and are heard.
            if let Some(hello) = a.reply() {
                b.hear(&hello);
            }
            if let Some(hello) = b.reply() {
                a.hear(&hello);
            }
        }
    }
    assert_eq!((a.session(), b.session()), session);
}

#[test]
fn a_side_that_reboots_gets_a_new_session_and_a_new_name() {
    let (mut a, mut b) = (hub(1), processor(2));
    join(&mut a, &mut b);
    let before = (id(&a), a.boot);
    let mut a = hub(3);
    join(&mut a, &mut b);
    assert_eq!(id(&a), id(&b));
    assert_ne!((id(&a), a.boot), before);
    assert_ne!(a.boot, before.1);
}

/// A hub that has nothing to make a seed of.
#[test]
fn even_the_same_seed_gives_a_new_name() {
    let mut b = processor(2);
    let mut names = std::vec::Vec::new();
    for _ in 0..50 {
        let mut a = hub(0);
        join(&mut a, &mut b);
        assert!(id(&a).is_some());
        assert_eq!(id(&a), id(&b));
        names.push(a.boot);
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 50);
}

#[test]
fn silence_ends_a_session_and_the_next_one_has_the_same_names() {
    let (mut a, mut b) = (hub(1), processor(2));
    join(&mut a, &mut b);
    let before = (id(&a), a.boot, b.boot);
    a.end();
    join(&mut a, &mut b);
    assert_eq!(id(&a), id(&b));
    assert_ne!(id(&a), before.0);
    assert_eq!((a.boot, b.boot), (before.1, before.2));
}

#[test]
fn another_version_is_told_apart_and_a_mirror_is_not_a_peer() {
    let (mut a, mut b) = (hub(1), processor(2));
    let hello = Hello {
        version: VERSION + 1,
        ..b.ask()
    };
    assert_eq!(a.hear(&hello), Heard::OtherVersion(VERSION + 1));
    // A line that is shorted to itself.
    assert_eq!(a.hear(&a.ask()), Heard::Nonsense);
    assert_eq!(a.session(), None);
    assert!(!a.wants_reply());
    join(&mut a, &mut b);
    assert!(id(&a).is_some());
}
