//! Applies edits to samples: the packets of a track in presentation order.

use super::coding::{Coding, Layout, PCM_PACKET_FRAMES};
use super::edits::Window;
use super::entry::Entry;
use super::frames::Frames;
use super::input::Input;
use super::piece::Piece;
use super::samples::{Next, Samples};
use crate::media::MediaError;
use crate::media::limits::PACKET_MAX_BYTES;
use crate::media::reader::{Packet, Step};

/// Samples skipped in one step.
const PASSED_MAX: usize = 16_384;

/// All packets together may be this many times as long as the file. More means
/// that edits or tables refer to the same data repeatedly.
const REPEATED_MAX: u64 = 4;
const REPEATED_MIN_BYTES: u64 = 1024 * 1024;

/// Least bytes that a packet counts for, since each also takes time.
const PACKET_MIN_BYTES: u64 = 16;

/// Trims the whole packet, see [`Packet`].
const TRIM_ALL: u64 = u32::MAX as u64;

/// A piece whose first frames were already returned.
#[derive(Debug, Clone, Copy)]
struct Held {
    piece: Piece,
    from_frame: u64,
}

/// Returns the packets of a track.
pub struct Player {
    /// The track's samples.
    pub samples: Samples,
    entries: Vec<Entry>,
    timescale: u32,
    windows: Vec<Window>,
    window: usize,
    /// Whether edits may go back: only within sample tables.
    can_seek: bool,
    /// Sample entry that the decoder was created for.
    entry: u32,
    held: Option<Held>,
    given_bytes: u64,
    loss: Option<String>,
    /// A loss found while a packet was built; returned after it.
    late_loss: Option<String>,
}

impl Player {
    /// The packets of `samples`, coded as in `entries`, within `windows`; the
    /// decoder was created for entry `entry`.
    pub fn new(
        samples: Samples,
        entries: Vec<Entry>,
        entry: u32,
        timescale: u32,
        windows: Vec<Window>,
        can_seek: bool,
    ) -> Self {
        Self {
            samples,
            entries,
            timescale,
            windows,
            window: 0,
            can_seek,
            entry,
            held: None,
            given_bytes: 0,
            loss: None,
            late_loss: None,
        }
    }

    /// Seeks to the start of the first edit.
    pub fn start(&mut self) -> Result<(), MediaError> {
        self.enter_window()
    }

    fn coding(&self, entry: u32) -> Option<&Coding> {
        let entry = self.entries.get(usize::try_from(entry).ok()?)?;
        Some(&entry.coding)
    }

    fn enter_window(&mut self) -> Result<(), MediaError> {
        let Some(window) = self.windows.get(self.window) else {
            return Ok(());
        };
        // Initially the samples are at their start.
        if self.can_seek && (window.start > 0 || self.window > 0) {
            let preroll = self
                .coding(self.entry)
                .map_or(0, |coding| self.units(coding.preroll_frames.into(), coding));
            self.held = None;
            let time = window.start.saturating_sub(preroll);
            self.samples.seek(time, &self.entries)?;
        }
        Ok(())
    }

    /// Starts the next edit. `piece` comes after the current one.
    fn next_window(&mut self, piece: Option<Piece>) -> Result<(), MediaError> {
        self.window += 1;
        if self.can_seek {
            return self.enter_window();
        }
        // Forward only: media before this position cannot be presented again.
        self.held = piece.map(|piece| Held {
            piece,
            from_frame: 0,
        });
        Ok(())
    }

    fn next(&mut self, input: &mut Input) -> Result<Result<Held, Next>, MediaError> {
        if let Some(held) = self.held.take() {
            return Ok(Ok(held));
        }
        Ok(match self.samples.next(input, &self.entries)? {
            Next::Piece(piece) => Ok(Held {
                piece,
                from_frame: 0,
            }),
            other => Err(other),
        })
    }

    /// Reads on by one step.
    pub fn step(&mut self, input: &mut Input) -> Result<Step, MediaError> {
        if let Some(reason) = self.late_loss.take() {
            return Ok(lost(reason));
        }
        for _ in 0..PASSED_MAX {
            let Some(window) = self.windows.get(self.window).copied() else {
                return Ok(match self.samples.find_end(input)? {
                    true => Step::End,
                    false => Step::Nothing,
                });
            };
            let held = match self.next(input)? {
                Ok(held) => held,
                Err(Next::Lost(reason)) => return Ok(lost(reason)),
                // Another edit may lie before the end of the samples.
                Err(Next::End) if self.can_seek => {
                    self.next_window(None)?;
                    continue;
                }
                Err(Next::End) => {
                    self.window = self.windows.len();
                    continue;
                }
                Err(_) => return Ok(Step::Nothing),
            };
            let piece = held.piece;
            if piece.time >= window.end {
                self.next_window(Some(piece))?;
                continue;
            }
            if piece.size_bytes == 0 {
                continue;
            }
            if piece.offset_bytes >= input.size_bytes() {
                self.samples.skip_missing();
                continue;
            }
            if piece.entry != self.entry {
                let Some(coding) = self.coding(piece.entry) else {
                    if let Some(step) = self.report_loss("samples without a sample description") {
                        return Ok(step);
                    }
                    continue;
                };
                let differs = self
                    .coding(self.entry)
                    .is_none_or(|current| current.differs(coding));
                let parameters = Box::new(coding.parameters.clone());
                self.entry = piece.entry;
                if differs {
                    self.held = Some(held);
                    return Ok(Step::Changed(parameters));
                }
            }
            let step = match self.coding(piece.entry).map(|coding| coding.layout) {
                None => self.report_loss("samples without a sample description"),
                Some(Layout::Packets(frames)) => self.packet(input, piece, window, frames)?,
                Some(Layout::Blocks { bytes, frames }) => {
                    self.blocks(input, held, window, bytes.into(), frames.into())?
                }
            };
            let Some(step) = step else {
                continue;
            };
            if let Step::Packet(packet) = &step {
                self.loss = None;
                self.given_bytes += (packet.data.len() as u64).max(PACKET_MIN_BYTES);
                let limit_bytes = input.size_bytes().saturating_mul(REPEATED_MAX);
                if self.given_bytes > limit_bytes.max(REPEATED_MIN_BYTES) {
                    self.window = self.windows.len();
                    return Ok(lost(
                        "the file refers to the same audio data too often".to_owned(),
                    ));
                }
            }
            return Ok(step);
        }
        Ok(Step::Nothing)
    }

    /// Reports a loss, once for consecutive ones.
    fn report_loss(&mut self, reason: &str) -> Option<Step> {
        if self.loss.as_deref() == Some(reason) {
            return None;
        }
        self.loss = Some(reason.to_owned());
        Some(lost(reason.to_owned()))
    }

    /// Converts frames to units of the track's time scale.
    fn units(&self, frames: u64, coding: &Coding) -> i64 {
        scaled(frames, self.timescale, coding.rate())
    }

    /// Converts units of the track's time scale to frames.
    fn frames(&self, units: i64, coding: &Coding) -> u64 {
        scaled(
            u64::try_from(units).unwrap_or(0),
            coding.rate(),
            self.timescale,
        ) as u64
    }

    /// Returns a sample as a packet; `None` if it is not presented.
    fn packet(
        &mut self,
        input: &mut Input,
        piece: Piece,
        window: Window,
        frames: Frames,
    ) -> Result<Option<Step>, MediaError> {
        let Some(coding) = self.coding(piece.entry) else {
            return Ok(None);
        };
        let duration = i64::try_from(piece.duration).unwrap_or(i64::MAX);
        let lasts = match frames {
            Frames::Fixed(frames) | Frames::Alac(frames) => {
                duration.max(self.units(frames.into(), coding))
            }
            _ => duration,
        };
        let preroll = self.units(coding.preroll_frames.into(), coding);
        let end = piece.time.saturating_add(lasts);
        if end <= window.start.saturating_sub(preroll) {
            return Ok(None);
        }
        if piece.size_bytes > PACKET_MAX_BYTES as u64 {
            return Ok(self.report_loss(&format!(
                "a packet is larger than {} MiB",
                PACKET_MAX_BYTES >> 20
            )));
        }
        let data = input.bytes(piece.offset_bytes, piece.size_bytes as usize)?;
        if (data.len() as u64) < piece.size_bytes {
            self.samples.skip_missing();
            return Ok(None);
        }
        let frames = frames.count(&data, self.frames(duration, coding));
        let before = match window.start > piece.time {
            true => self.frames(window.start.saturating_sub(piece.time), coding),
            false => 0,
        };
        let presented = match window.end {
            i64::MAX => u64::MAX,
            end => self.frames(end.saturating_sub(piece.time), coding),
        };
        let after = frames.saturating_sub(presented);
        // A packet of unknown duration cannot be trimmed at its end: it is
        // dropped.
        let is_presented = before < frames.min(presented) || frames == 0 && before == 0;
        let packet = Packet {
            data: data.into(),
            time_s: Some(window.time_s(piece.time.max(window.start), self.timescale)),
            trim_start_frames: if is_presented { before } else { TRIM_ALL },
            trim_end_frames: if is_presented { after } else { 0 },
        };
        if !self.can_seek && end >= window.end {
            // The next edit may begin within the same packet.
            self.next_window(Some(piece))?;
        }
        Ok(Some(Step::Packet(packet)))
    }

    /// Returns blocks of one size; `None` if none of them is presented.
    fn blocks(
        &mut self,
        input: &mut Input,
        held: Held,
        window: Window,
        block_bytes: u64,
        block_frames: u64,
    ) -> Result<Option<Step>, MediaError> {
        let mut data = Vec::new();
        let mut begin = None;
        let mut next = held;
        // ADPCM: one block, since its decoder needs the number of frames.
        let frames_max = match block_frames {
            1 => u64::from(PCM_PACKET_FRAMES),
            frames => frames,
        };
        let mut frames_left = frames_max;
        let mut trims = (0, 0);
        loop {
            let Held { piece, from_frame } = next;
            let Some(coding) = self.coding(piece.entry) else {
                break;
            };
            let there_bytes = input.size_bytes().saturating_sub(piece.offset_bytes);
            let blocks = piece.size_bytes.min(there_bytes) / block_bytes;
            let (total, all) = (
                blocks.saturating_mul(block_frames),
                piece.size_bytes / block_bytes * block_frames,
            );
            let presented_from = match window.start > piece.time {
                true => self.frames(window.start.saturating_sub(piece.time), coding),
                false => 0,
            };
            let presented_to = match window.end {
                i64::MAX => total,
                end => self
                    .frames(end.saturating_sub(piece.time), coding)
                    .min(total),
            };
            let from = from_frame.max(presented_from);
            // The first presented block, and as many as fit in a packet.
            let first_block = from / block_frames;
            let to = (first_block * block_frames + frames_left).min(presented_to);
            if from < to {
                let last_block = to.div_ceil(block_frames);
                let count_bytes = (last_block - first_block) * block_bytes;
                begin.get_or_insert_with(|| {
                    let units = scaled(from, self.timescale, coding.rate());
                    window.time_s(piece.time.saturating_add(units), self.timescale)
                });
                if block_frames > 1 {
                    trims = (
                        from - first_block * block_frames,
                        last_block * block_frames - to,
                    );
                }
                input.append(
                    piece.offset_bytes + first_block * block_bytes,
                    count_bytes as usize,
                    &mut data,
                )?;
                frames_left -= to - from;
            }
            if from < presented_to && to < presented_to {
                self.held = Some(Held {
                    piece,
                    from_frame: to,
                });
                break;
            }
            if total < all {
                self.samples.skip_missing();
                break;
            }
            if !self.can_seek && presented_to < all {
                // The next edit may present the rest.
                self.next_window(Some(piece))?;
                break;
            }
            let expected = piece.time.saturating_add(self.units(all, coding));
            let slack = self.units(2, coding).max(1);
            if data.is_empty() || block_frames > 1 || frames_left == 0 {
                break;
            }
            match self.next(input)? {
                Ok(following)
                    if following.piece.entry == piece.entry
                        && following.piece.time < window.end
                        && following.piece.time.abs_diff(expected) <= slack.unsigned_abs()
                        && following.piece.offset_bytes < input.size_bytes() =>
                {
                    next = following;
                }
                Ok(following) => {
                    self.held = Some(following);
                    break;
                }
                Err(Next::Lost(reason)) => {
                    self.late_loss = Some(reason);
                    break;
                }
                Err(_) => break,
            }
        }
        if data.is_empty() {
            return Ok(None);
        }
        Ok(Some(Step::Packet(Packet {
            data: data.into(),
            time_s: begin,
            trim_start_frames: trims.0,
            trim_end_frames: trims.1,
        })))
    }
}

fn lost(reason: String) -> Step {
    Step::Lost {
        reason,
        duration_s: None,
    }
}

/// `value / from * to`, rounded and limited to the range of times.
fn scaled(value: u64, to: u32, from: u32) -> i64 {
    let from = u128::from(from.max(1));
    let scaled = (u128::from(value) * u128::from(to) + from / 2) / from;
    i64::try_from(scaled).unwrap_or(i64::MAX)
}
