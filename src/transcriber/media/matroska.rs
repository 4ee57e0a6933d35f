pub struct Matroska;
impl Matroska {
    pub fn open(_: super::Source) -> Result<super::ogg::OggReader, super::MediaError> {
        Err(super::MediaError::Unrecognised)
    }
}
