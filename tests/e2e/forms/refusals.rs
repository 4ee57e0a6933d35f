//! Forms that are refused, as early as possible, and leave nothing behind.

use super::support::{SPEECH, STREAM, file, post};
use crate::fixtures::form::{FORM, NOISE, form, part};
use crate::fixtures::leftovers::{assert_nothing_left, folders};
use crate::support::daemon::Daemon;
use crate::support::http::{Connection, get, request};
use crate::support::tus::Upload;

#[test]
fn what_is_no_form_or_no_recording_is_refused_and_leaves_nothing() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let other = ("Content-Type", "application/x-www-form-urlencoded");
    let multipart = |boundary: &str| format!("multipart/form-data; boundary={boundary}");
    let long = multipart(&"X".repeat(71));
    let sound = file(NOISE);
    let named = |content: &[u8]| form(&[part("; name=\"file\"", content)]);
    let headers = |count: usize, bytes: usize| {
        let more = format!("x: {}\r\n", "y".repeat(bytes)).repeat(count);
        let head = format!("--XX\r\n{more}Content-Disposition: form-data; name=file\r\n\r\n");
        [head.as_bytes(), NOISE, b"\r\n--XX--\r\n"].concat()
    };
    let beside = part("; name=x", &[b'x'; 1 << 20]);
    for (what, header, body, status, expected) in [
        (
            "no form",
            other,
            b"file=x".to_vec(),
            415,
            "multipart/form-data",
        ),
        (
            "another multipart",
            ("Content-Type", "multipart/mixed; boundary=XX"),
            sound.clone(),
            415,
            "multipart/form-data",
        ),
        (
            "no type",
            ("X", "y"),
            sound.clone(),
            415,
            "multipart/form-data",
        ),
        (
            "no boundary",
            ("Content-Type", "multipart/form-data"),
            sound.clone(),
            400,
            "boundary",
        ),
        (
            "an empty boundary",
            ("Content-Type", &multipart("\"\"")),
            sound.clone(),
            400,
            "boundary",
        ),
        (
            "a long boundary",
            ("Content-Type", &long),
            sound.clone(),
            400,
            "boundary",
        ),
        (
            "another boundary",
            ("Content-Type", &multipart("YY")),
            sound.clone(),
            400,
            "boundary",
        ),
        ("no body", FORM, Vec::new(), 400, "boundary"),
        (
            "no parts",
            FORM,
            b"--XX--\r\n".to_vec(),
            422,
            "no field `file`",
        ),
        (
            "other fields",
            FORM,
            form(&[part("; name=\"fil\"", NOISE)]),
            422,
            "no field `file`",
        ),
        (
            "no disposition",
            FORM,
            b"--XX\r\na: b\r\n\r\nx\r\n--XX--\r\n".to_vec(),
            422,
            "no field `file`",
        ),
        (
            "a head that does not end",
            FORM,
            b"--XX\r\nContent-Disposition: x".to_vec(),
            400,
            "boundary",
        ),
        (
            "a head that is none",
            FORM,
            b"--XX\r\n\xff\xfe:\r\n\r\nx\r\n--XX--".to_vec(),
            400,
            "boundary",
        ),
        ("many heads", FORM, headers(40, 1), 400, "boundary"),
        (
            "a long head",
            FORM,
            headers(1, 1 << 20),
            413,
            "precede the recording",
        ),
        (
            "a long preamble",
            FORM,
            [vec![b'-'; 1 << 20], sound.clone()].concat(),
            413,
            "precede the recording",
        ),
        (
            "a long field before",
            FORM,
            form(&[beside, part("; name=file", NOISE)]),
            413,
            "precede the recording",
        ),
        (
            "an end in the middle",
            FORM,
            sound[..sound.len() - 12].to_vec(),
            400,
            "the recording is incomplete",
        ),
        ("an empty file", FORM, named(b""), 422, "empty"),
        (
            "a letter",
            FORM,
            named(b"Dear Sir or Madam"),
            415,
            "a text file, not a recording; accepted are mp3",
        ),
        (
            "a picture",
            FORM,
            named(b"\x89PNG\r\n\x1a\n...."),
            415,
            "image/png",
        ),
    ] {
        for target in [STREAM, SPEECH] {
            let answer = request(address, "POST", target, &[header], Some(&body));
            let answer = answer.unwrap().expect(status, what).json();
            let detail = answer["detail"].as_str().unwrap();
            assert!(detail.contains(expected), "{what}: {detail}");
            assert_eq!(answer["error"]["message"], detail, "{what}");
            assert!(answer["error"]["code"].is_string(), "{what}");
        }
    }
    for target in [STREAM, SPEECH] {
        let answer = get(address, target).expect(405, target);
        assert_eq!(answer.header("allow"), Some("POST"));
    }
    assert_nothing_left(&daemon);
}

#[test]
fn invalid_options_are_refused_before_the_recording_is_sent() {
    let daemon = Daemon::start_unready(
        Daemon::folder_with("[transcribe]\nunknown_model = 'reject'"),
        &[],
    );
    let address = daemon.address();
    let body = file(NOISE);
    for (query, status, expected) in [
        ("language=klingon", 422, "klingon"),
        ("model=large-v9", 422, "large-v9"),
        (
            "task=summarize",
            422,
            "task must be transcribe or translate",
        ),
        ("beam_size=0", 422, "beam_size must be a number from 1 to 8"),
        (
            "temperatures=hot",
            422,
            "temperatures must be a number from 0 to 1",
        ),
        ("no_speech_threshold=1.1", 422, "no_speech_threshold"),
        ("suppress_tokens=a", 422, "suppress_tokens"),
        ("initial_prompt=%00", 422, "initial_prompt"),
        ("vad_onset=-1", 422, "vad_onset"),
        (
            "callback_url=http%3A%2F%2Fexample",
            400,
            "callbacks.allow is empty",
        ),
    ] {
        let mut connection = Connection::open(address).unwrap();
        let headers = [FORM, ("Expect", "100-continue")];
        let target = format!("{SPEECH}?{query}");
        connection
            .send_head("POST", &target, &headers, Some(body.len()))
            .unwrap();
        let answer = connection.receive_any("POST").unwrap();
        let detail = answer.expect(status, query).json()["detail"].clone();
        assert!(
            detail.as_str().unwrap().contains(expected),
            "{query}: {detail}"
        );
    }
    assert_nothing_left(&daemon);

    let mut connection = Connection::open(address).unwrap();
    let headers = [FORM, ("Expect", "100-continue")];
    let target = format!("{SPEECH}?model=demo&language=auto&threads=many&x=1");
    connection
        .send_head("POST", &target, &headers, Some(body.len()))
        .unwrap();
    let wanted = connection.receive_any("POST").unwrap();
    assert_eq!(wanted.status, 100);
    connection.send(&body).unwrap();
    connection
        .receive("POST")
        .unwrap()
        .expect(200, "a sound one");
}

#[test]
fn a_file_of_a_wrong_kind_is_refused_before_its_end_was_sent() {
    let daemon = Daemon::start();
    let mut connection = Connection::open(daemon.address()).unwrap();
    connection
        .send_head("POST", SPEECH, &[FORM], Some(1 << 30))
        .unwrap();
    let begun = part("; name=\"file\"; filename=\"a.mp3\"", &[b'x'; 16 << 10]);
    connection.send(&begun).unwrap();
    let answer = connection.receive("POST").unwrap();
    answer.expect(415, "the first bytes of a letter");
    assert_nothing_left(&daemon);
}

#[test]
fn a_recording_that_is_too_large_or_one_too_many_is_refused() {
    let configuration = "[upload]\nmax_size = '1MiB'\nmax_unfinished = 1";
    let daemon = Daemon::start_unready(Daemon::folder_with(configuration), &[]);
    let address = daemon.address();
    let of = |bytes: usize| file(&NOISE.repeat(bytes / NOISE.len() + 1)[..bytes]);
    post(address, STREAM, &of((1 << 20) + 1)).expect(413, "more than max_size");
    let mut connection = Connection::open(address).unwrap();
    connection
        .send_head("POST", STREAM, &[FORM], Some(2 << 20))
        .unwrap();
    let early = connection.receive("POST").unwrap();
    early.expect(413, "by its Content-Length");
    let chunked = [FORM, ("Transfer-Encoding", "chunked")];
    let mut connection = Connection::open(address).unwrap();
    connection
        .send_head("POST", STREAM, &chunked, None)
        .unwrap();
    let body = of(3 << 20);
    // It may say no before all of it is there.
    let _ = connection.send(format!("{:x}\r\n", body.len()).as_bytes());
    let _ = connection.send(&body);
    connection
        .receive("POST")
        .unwrap()
        .expect(413, "by what came");
    assert_nothing_left(&daemon);

    let unfinished = Upload::create(address, 10, &[]);
    let refused = post(address, STREAM, &of(100)).expect(429, "one too many");
    assert!(refused.number("retry-after").is_some());
    assert_eq!(folders(&daemon.state_dir()), 1);
    unfinished.terminate().expect(204, "DELETE");
    post(address, STREAM, &of(1 << 20)).expect(200, "as much as max_size");

    let full = Daemon::folder_with("[upload]\nreserve_free = '1000TiB'");
    let daemon = Daemon::start_unready(full, &[]);
    let mut connection = Connection::open(daemon.address()).unwrap();
    connection
        .send_head("POST", STREAM, &[FORM], Some(1000))
        .unwrap();
    let early = connection.receive("POST").unwrap();
    early.expect(507, "by its Content-Length");
    assert_nothing_left(&daemon);
}
