pub struct Mp4;
impl Mp4 {
    pub fn open(_: super::Source) -> Result<super::ogg::OggReader, super::MediaError> {
        Err(super::MediaError::Unrecognised)
    }
}
