//! Ids of the Matroska elements needed for audio (RFC 9559, section 5.1), and of
//! those that end a cluster of unknown size.

pub const EBML: u32 = 0x1a45_dfa3;
pub const DOC_TYPE: u32 = 0x4282;
pub const VOID: u32 = 0xec;
pub const CRC_32: u32 = 0xbf;

pub const SEGMENT: u32 = 0x1853_8067;
pub const SEEK_HEAD: u32 = 0x114d_9b74;
pub const CUES: u32 = 0x1c53_bb6b;
pub const CHAPTERS: u32 = 0x1043_a770;
pub const TAGS: u32 = 0x1254_c367;
pub const ATTACHMENTS: u32 = 0x1941_a469;

pub const INFO: u32 = 0x1549_a966;
pub const TIMESTAMP_SCALE: u32 = 0x2a_d7b1;
pub const DURATION: u32 = 0x4489;

pub const TRACKS: u32 = 0x1654_ae6b;
pub const TRACK_ENTRY: u32 = 0xae;
pub const TRACK_NUMBER: u32 = 0xd7;
pub const TRACK_TYPE: u32 = 0x83;
pub const FLAG_ENABLED: u32 = 0xb9;
pub const FLAG_DEFAULT: u32 = 0x88;
pub const CODEC_ID: u32 = 0x86;
pub const CODEC_PRIVATE: u32 = 0x63a2;
pub const CODEC_DELAY: u32 = 0x56aa;
pub const AUDIO: u32 = 0xe1;
pub const SAMPLING_FREQUENCY: u32 = 0xb5;
pub const CHANNELS: u32 = 0x9f;
pub const BIT_DEPTH: u32 = 0x6264;

pub const CONTENT_ENCODINGS: u32 = 0x6d80;
pub const CONTENT_ENCODING: u32 = 0x6240;
pub const CONTENT_ENCODING_ORDER: u32 = 0x5031;
pub const CONTENT_ENCODING_SCOPE: u32 = 0x5032;
pub const CONTENT_ENCODING_TYPE: u32 = 0x5033;
pub const CONTENT_COMPRESSION: u32 = 0x5034;
pub const CONTENT_COMP_ALGO: u32 = 0x4254;
pub const CONTENT_COMP_SETTINGS: u32 = 0x4255;

pub const CLUSTER: u32 = 0x1f43_b675;
pub const TIMESTAMP: u32 = 0xe7;
pub const POSITION: u32 = 0xa7;
pub const PREV_SIZE: u32 = 0xab;
pub const SILENT_TRACKS: u32 = 0x5854;
pub const SIMPLE_BLOCK: u32 = 0xa3;
pub const BLOCK_GROUP: u32 = 0xa0;
pub const BLOCK: u32 = 0xa1;
pub const DISCARD_PADDING: u32 = 0x75a2;
pub const ENCRYPTED_BLOCK: u32 = 0xaf;
