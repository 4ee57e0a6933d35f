//! Whole connections: hyper, the routes, the upload engine and the disk.

mod appliance;
mod wire;

use std::sync::{LazyLock, Mutex, PoisonError, mpsc};

use crate::store::ring;
use appliance::Appliance;
use wire::Sent;

/// Ends a connection when all is answered; what follows comes over a new one.
const END: u8 = 0x1d;

/// The same, but the client waits for no answer, only for as many steps as
/// there are empty pieces before this.
const CUT: u8 = 0x1c;

/// Ends a piece: what follows arrives later.
const PAUSE: u8 = 0x1e;

/// More pieces are no new situation.
const PIECES_MAX: usize = 64;

/// What each of them sends.
type Connections = Vec<Sent>;

/// One input, and who waits for its end.
type Order = (Connections, mpsc::Sender<()>);

/// The thread that has the ring, for all inputs: a ring is not made in no time.
static RING: LazyLock<Mutex<mpsc::Sender<Order>>> = LazyLock::new(|| {
    let (sender, inputs) = mpsc::channel::<Order>();
    std::thread::spawn(move || {
        let served = ring::run(async {
            while let Ok((connections, done)) = inputs.recv() {
                let appliance = Appliance::new();
                for sent in connections {
                    appliance.serve(sent).await;
                }
                appliance.check().await;
                let _ = done.send(());
            }
        });
        served.expect("a ring");
    });
    Mutex::new(sender)
});

/// Every answer is sound, none is 500, and so are all uploads in the end.
pub fn requests(input: &[u8]) {
    let connections = input
        .split_inclusive(|&byte| byte == END || byte == CUT)
        .map(|sent| {
            let is_cut = sent.ends_with(&[CUT]);
            let sent = sent.strip_suffix(&[CUT]).unwrap_or(sent);
            let sent = sent.strip_suffix(&[END]).unwrap_or(sent);
            let pieces = sent.splitn(PIECES_MAX, |&byte| byte == PAUSE);
            let pieces: Vec<Vec<u8>> = pieces.map(<[u8]>::to_vec).collect();
            let empty = pieces.iter().rev().take_while(|piece| piece.is_empty());
            let leaves_after = is_cut.then(|| empty.count());
            Sent {
                pieces,
                leaves_after,
            }
        })
        .collect();
    let (done, finished) = mpsc::channel();
    let ring = RING.lock().unwrap_or_else(PoisonError::into_inner);
    ring.send((connections, done)).expect("the ring turns");
    finished.recv().expect("what was said above did not happen");
}
