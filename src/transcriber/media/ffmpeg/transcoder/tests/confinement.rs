//! What the child may access.

use super::*;

/// Files that refer to others, in formats that ffmpeg supports.
#[test]
fn nothing_but_the_recording_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let canary = folder.path().join("canary.ts");
    let tone = made(&format!("{TONE}=3 -c:a mp2"), "tone.ts");
    fs::write(&canary, testing::bytes(&tone)).unwrap();
    let canary = canary.display();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let playlist = |address: &str| {
        format!(
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:3\n#EXT-X-MEDIA-SEQUENCE:0\n\
             #EXTINF:3.0,\n{address}\n#EXT-X-ENDLIST\n"
        )
    };
    let description = format!(
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {port} RTP/AVP 0\n"
    );
    let mut hostile: Vec<Vec<u8>> = [
        playlist(&format!("file://{canary}")),
        playlist(&format!("concat:{canary}|{canary}")),
        playlist(&format!("subfile,,start,0,end,99999,,:{canary}")),
        playlist(&format!("http://127.0.0.1:{port}/x.ts")),
        format!("ffconcat version 1.0\nfile '{canary}'\n"),
        format!("ffconcat version 1.0\nfile 'http://127.0.0.1:{port}/x.ts'\n"),
        description,
        format!("[reference]\nRef1=http://127.0.0.1:{port}/x\n"),
        format!("<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\"><Period><AdaptationSet mimeType=\"audio/mp4\"><Representation id=\"1\"><BaseURL>file://{canary}</BaseURL></Representation></AdaptationSet></Period></MPD>"),
        format!("1\n00:00:00,000 --> 00:00:03,000\n{canary}\n"),
    ]
    .into_iter()
    .map(String::into_bytes)
    .collect();
    let silence = made(
        "-f lavfi -i anullsrc=r=48000 -t 1 -c:a pcm_s16le",
        "silence.mov",
    );
    for address in [
        format!("file://{canary}"),
        format!("http://127.0.0.1:{port}/x"),
    ] {
        hostile.push(with_reference(&testing::bytes(&silence), &address));
    }
    // An unconfined ffmpeg reads them, so the files are effective.
    for (name, content) in [("list.m3u8", &hostile[0]), ("list.ffconcat", &hostile[4])] {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        let input = format!("-safe 0 -i {}", path.display());
        let input = input.trim_start_matches(match name {
            "list.m3u8" => "-safe 0 ",
            _ => "",
        });
        let output = made(&format!("{input} -c:a pcm_s16le"), "output.wav");
        assert!(
            testing::decoded(&output)
                .iter()
                .any(|sample| sample.abs() > 0.05)
        );
    }
    for content in hostile {
        let text = String::from_utf8_lossy(&content[..content.len().min(60)]).into_owned();
        if let Ok(found) = transcode(&testing::file(&content)) {
            let loudest = found
                .samples
                .iter()
                .fold(0.0_f32, |max, sample| max.max(sample.abs()));
            assert!(loudest < 0.01, "{text}");
        }
        let connection = listener.accept().map_err(|error| error.kind());
        assert_eq!(connection.err(), Some(io::ErrorKind::WouldBlock), "{text}");
    }
}

/// The mov file with its samples declared to be at `address`.
fn with_reference(content: &[u8], address: &str) -> Vec<u8> {
    let find = |kind: &[u8]| content.windows(4).position(|part| part == kind).unwrap();
    let reference = find(b"dref") + 12;
    let mut content = content.to_vec();
    let old_bytes = u32::from_be_bytes(content[reference - 4..reference].try_into().unwrap());
    let mut new = [b"url \0\0\0\0", address.as_bytes(), b"\0"].concat();
    let size = new.len() as u32 + 4;
    new.splice(..0, size.to_be_bytes());
    content.splice(reference - 4..reference - 4 + old_bytes as usize, new);
    for kind in [b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"] {
        // QuickTime has a data handler with a `dhlr` of its own before them.
        let at = content.windows(4).position(|part| part == kind).unwrap() - 4;
        let old = u32::from_be_bytes(content[at..at + 4].try_into().unwrap());
        content[at..at + 4].copy_from_slice(&(old + size - old_bytes).to_be_bytes());
    }
    content
}

/// Each line of the script succeeds if it is not confined.
#[test]
fn other_access_is_refused_by_the_kernel() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, "x\n").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let attempts = [
        ("read", format!("read x <{}", secret.display())),
        (
            "list",
            format!(
                "files=({0}/*); [[ ${{files[0]}} = {0}/secret ]]",
                folder.path().display()
            ),
        ),
        ("write", format!("echo >>{}", secret.display())),
        ("create", format!(": >{}/new", folder.path().display())),
        ("connect", format!(": <>/dev/tcp/127.0.0.1/{port}")),
        ("signal", "kill -0 $PPID".to_owned()),
        ("fork", "(:)".to_owned()),
        ("limits", "[[ $(ulimit -f) != 0 ]]".to_owned()),
        ("descriptors", "[[ -n ${CANARY+x} ]]".to_owned()),
    ];
    let lines: Vec<String> = attempts
        .iter()
        .map(|(name, attempt)| {
            format!("if {{ {attempt}; }} 2>/dev/null; then reached+=' {name}'; fi")
        })
        .collect();
    let lines = format!(
        "{}\necho \"[error] reached:$reached\" >&2; exit 1",
        lines.join("\n")
    );
    let (_folder, path) = fake_program(&lines);
    let open = Command::new(&path).env("CANARY", "").output().unwrap();
    let all: Vec<_> = attempts.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        String::from_utf8_lossy(&open.stderr).trim(),
        format!("[error] reached: {}", all.join(" "))
    );
    let error = run(start_fake(&path, 10).unwrap()).err().unwrap();
    let MediaError::Ffmpeg(text) = &error else {
        panic!("{error}");
    };
    assert_eq!(text, "reached:");
}
