//! The command line of the ffmpeg child.

use super::super::SAMPLE_RATE;
use super::super::limits::TRACKS_MAX;

/// How a recording is decoded.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Index of the audio track among the input's audio tracks.
    pub track: usize,
    /// Name of ffmpeg's demuxer, for raw streams that cannot be detected.
    pub demuxer: Option<&'static str>,
    /// Longer recordings are truncated to this, in seconds.
    pub length_max_s: u64,
}

/// Enough to find a track of a transport stream whose audio begins late, but
/// bounded: ffmpeg keeps what it probes in memory.
const PROBE_BYTES: u64 = 32 * 1024 * 1024;
const PROBE_US: u64 = 600_000_000;

/// Timestamps of transport streams may jump ahead: a longer jump is a new time
/// base, a shorter one a gap in the recording. Jumps back are always a new time
/// base.
const GAP_MAX_S: u32 = 600;

/// Demuxers that are allowed: formats of recorders, telephones, cameras and
/// archives. Excluded are those that open other files or URLs (hls, dash, concat,
/// sdp, rtsp, image2, imf), music modules (gme, openmpt), devices (lavfi), text,
/// pictures and game formats. Names unknown to a version of ffmpeg are ignored.
const FORMATS: &str = "aac,aax,ac3,ac4,aea,aiff,alaw,amr,amrnb,amrwb,apac,ape,aptx,asf,asf_o,au,avi,\
avr,bonk,caf,codec2,dfpwm,dhav,dsf,dss,dts,dtshd,dv,eac3,flac,flv,g722,g723_1,g726,g729,gsm,gxf,\
hcom,iamf,iff,ilbc,ircam,ivf,ivr,kux,lc3,live_flv,loas,matroska,mlp,mmf,mov,mp3,mpc,mpc8,mpeg,mpegts,mtv,\
mulaw,mxf,nistsphere,nsv,nut,nuv,ogg,oma,osq,paf,pva,pvf,qcp,qoa,rka,rm,sbc,sds,shn,sln,smjpeg,sox,spdif,swf,\
tak,truehd,tta,vivo,voc,vqf,w64,wav,wavarc,webm,wsaud,wsd,wtv,wv,wve,xwma";

/// Offset and content of the magic in the first packet of Ogg Speex, after the
/// page header.
const SPEEX: (usize, &[u8]) = (28, b"Speex   ");

/// Bytes of the recording that [`decoder`] examines.
pub const HEAD_BYTES: usize = 64;

/// A decoder to use instead of ffmpeg's default, for the first track of a
/// recording that begins with `head`. The native Speex decoder of ffmpeg 7.1
/// outputs 40 ms for each 20 ms; Debian's ffmpeg also has libspeex.
fn decoder(head: &[u8]) -> Option<&'static str> {
    let (offset, name) = SPEEX;
    let is_speex = head.starts_with(b"OggS") && head.get(offset..)?.starts_with(name);
    is_speex.then_some("libspeex")
}

/// Arguments to read the recording, which begins with `head`, from standard input
/// and to write the samples of the selected track to standard output.
pub fn arguments(options: &Options, head: &[u8]) -> Vec<String> {
    let Options {
        track,
        length_max_s,
        ..
    } = options;
    let option = |name: &str, value: Option<&str>| {
        value.map_or_else(String::new, |value| format!("{name} {value}"))
    };
    let demuxer = option("-f", options.demuxer);
    let decoder = option("-c:a:0", decoder(head));
    let words = format!(
        "-nostdin -hide_banner -nostats -loglevel level+verbose \
         -threads 1 -filter_threads 1 \
         -protocol_whitelist pipe -format_whitelist {FORMATS} \
         -probesize {PROBE_BYTES} -analyzeduration {PROBE_US} -max_streams {TRACKS_MAX} \
         -dts_delta_threshold {GAP_MAX_S} -max_error_rate 1 \
         {demuxer} {decoder} -i pipe:0 \
         -map 0:a:{track} -vn -sn -dn -map_metadata -1 -map_chapters -1 \
         -af aresample={SAMPLE_RATE},atrim=start=0 -c:a pcm_f32le -t {length_max_s} \
         -f matroska pipe:1"
    );
    words.split_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speex_is_decoded_by_libspeex() {
        let words = |head: &[u8], demuxer| {
            let options = Options {
                track: 0,
                demuxer,
                length_max_s: 5,
            };
            arguments(&options, head).join(" ")
        };
        let mut head = b"OggS".to_vec();
        head.resize(28, 0);
        assert!(words(&head, None).contains("-max_error_rate 1 -i pipe:0"));
        assert!(words(&head, Some("gsm")).contains("-f gsm -i pipe:0"));
        head.extend_from_slice(b"Speex   1.2");
        assert!(words(&head, None).contains("-c:a:0 libspeex -i pipe:0"));
        head[0] = 0;
        assert!(!words(&head, None).contains("speex"));
    }
}
