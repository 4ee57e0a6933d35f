//! `/v1/models`, and addresses with a slash at their end.

use serde_json::Value;

use super::support::{MODEL, TRANSCRIPTIONS, TRANSLATIONS, around, post, refused, spoken};
use crate::support::daemon::Daemon;
use crate::support::http::get;

#[test]
fn a_slash_at_the_end_of_an_address_changes_nothing() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let body = around(&[MODEL], &spoken().bytes(), &[]);
    for target in [TRANSCRIPTIONS, TRANSLATIONS] {
        post(address, &format!("{target}/"), &body).expect(200, target);
        refused(
            post(address, &format!("{target}//"), &body),
            404,
            "invalid_request_error",
            "two of them",
        );
    }
    let speech = post(address, "/speech-to-text/", &body).expect(200, "a form");
    let id = speech.json()["identifier"].as_str().unwrap().to_owned();
    for target in [
        "/v1/models/",
        "/v1/models/whisper-1/",
        "/task/all/",
        "/health/",
        "/health/ready/",
        &format!("/tasks/{id}/progress/"),
    ] {
        get(address, target).expect(200, target);
    }
    for target in ["/task/all//", &format!("/task/{id}/")] {
        get(address, target).expect(404, target);
    }
}

#[test]
fn models_are_listed() {
    let folder = Daemon::folder();
    let daemon = Daemon::start_unready(folder, &[]);
    let address = daemon.address();
    let ids = || -> Vec<String> {
        let list = get(address, "/v1/models").expect(200, "models").json();
        assert_eq!(list["object"], "list", "{list}");
        let models = list["data"].as_array().unwrap();
        let id = |model: &Value| {
            assert_eq!(model["object"], "model", "{model}");
            assert_eq!(model["owned_by"], "scribed", "{model}");
            assert!(
                model["created"].as_u64().unwrap() > 1_600_000_000,
                "{model}"
            );
            model["id"].as_str().unwrap().to_owned()
        };
        models.iter().map(id).collect()
    };
    assert_eq!(ids(), ["whisper-1", "demo"]);
    let models = daemon.state_dir().with_file_name("models");
    std::fs::write(models.join("ggml-large-v3.bin"), "").unwrap();
    assert_eq!(ids(), ["whisper-1", "large-v3"]);
    for id in ["whisper-1", "demo", "large-v3", "large%2Dv3"] {
        let one = get(address, &format!("/v1/models/{id}"))
            .expect(200, id)
            .json();
        assert_eq!(one["object"], "model", "{one}");
    }
}
