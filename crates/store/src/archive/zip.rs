//! The archive's file format: a zip file whose entries are deflated and encrypted with `WinZip` AES-256 (AE-2). 7-Zip,
//! pyzipper and other common tools open it.
//!
//! The file is written in one pass without seeking. In this mode the zip crate writes AE-2 entries, which contain no
//! checksum of the clear text, and passes only encrypted bytes to the writer. Each entry has its own key, derived from
//! the password and a random salt (WinZip, "AES Encryption Information").

use std::io::{self, Write};

use ::zip::write::{FileOptions, SimpleFileOptions, StreamWriter};
use ::zip::{AesMode, CompressionMethod, DateTime, ZipWriter};
use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use callsign_core::secret::Secret;

/// Compression level of deflate. Text shrinks to a third at level 3, in a quarter of the time of the default level 6.
const LEVEL: i64 = 3;

/// One entry of a zip file.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: &'static str,
    pub(super) pieces: Vec<Bytes>,
}

/// Writes a zip file of these entries and returns the writer.
pub(super) fn write<W: Write>(out: W, password: &Secret, at: Timestamp, entries: &[Entry]) -> io::Result<W> {
    let mut zip = EncryptedZip::new(out, password, at);
    for entry in entries {
        zip.start(entry.name)?;
        for piece in &entry.pieces {
            zip.write_all(piece)?;
        }
    }
    zip.finish()
}

/// An encrypted zip file that is written one entry after the other. Errors of the writer are returned by `finish`.
pub struct EncryptedZip<'p, W: Write> {
    zip: ZipWriter<StreamWriter<DeferError<W>>>,
    options: FileOptions<'p, 'p, ()>,
}

impl<'p, W: Write> EncryptedZip<'p, W> {
    /// Begins a file. `at` becomes the time of its entries.
    pub fn new(out: W, password: &'p Secret, at: Timestamp) -> Self {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(LEVEL))
            .last_modified_time(date(at))
            .unix_permissions(0o600)
            .with_aes_encryption(AesMode::Aes256, password.expose());
        Self { zip: ZipWriter::new_stream(DeferError { out, error: None }), options }
    }

    /// Begins an entry. What is written next is its content.
    pub fn start(&mut self, name: &str) -> io::Result<()> {
        Ok(self.zip.start_file(name, self.options)?)
    }

    /// Ends the file and returns the writer.
    pub fn finish(self) -> io::Result<W> {
        let DeferError { out, error } = self.zip.finish()?.into_inner();
        error.map_or(Ok(out), Err)
    }
}

impl<W: Write> Write for EncryptedZip<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.zip.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.zip.flush()
    }
}

/// Converts a time to a zip timestamp in UTC. Zip timestamps begin in 1980; earlier times become the default.
fn date(at: Timestamp) -> DateTime {
    let at = TimeZone::UTC.to_datetime(at);
    let number = |number: i8| u8::try_from(number).unwrap_or_default();
    let date = DateTime::from_date_and_time(
        u16::try_from(at.year()).unwrap_or_default(),
        number(at.month()),
        number(at.day()),
        number(at.hour()),
        number(at.minute()),
        number(at.second()),
    );
    date.unwrap_or_default()
}

/// A writer that reports success and keeps the first error. A [`ZipWriter`] that is dropped after an error prints to
/// standard error.
struct DeferError<W> {
    out: W,
    error: Option<io::Error>,
}

impl<W: Write> Write for DeferError<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.error.is_none()
            && let Err(error) = self.out.write_all(bytes)
        {
            self.error = Some(error);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read};

    use ::zip::ZipArchive;
    use ::zip::result::ZipError;

    use super::*;

    fn archive(body: &[u8]) -> Vec<u8> {
        let entries = [
            Entry { name: "meta.json", pieces: vec![Bytes::from_static(b"{}")] },
            Entry { name: "request.json", pieces: vec![Bytes::copy_from_slice(body), Bytes::from_static(b"end")] },
        ];
        let at = "2026-11-25T03:38:51Z".parse().unwrap();
        write(Vec::new(), &Secret::new("correct horse battery"), at, &entries).unwrap()
    }

    #[test]
    fn entries_open_with_the_right_password_only() {
        let body: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut zip = ZipArchive::new(Cursor::new(archive(&body))).unwrap();
        let mut read = Vec::new();
        zip.by_name_decrypt("request.json", b"correct horse battery").unwrap().read_to_end(&mut read).unwrap();
        assert_eq!(read, [&body, b"end".as_slice()].concat());
        for wrong in ["", "correct horse batterz", "Correct horse battery"] {
            match zip.by_name_decrypt("request.json", wrong.as_bytes()) {
                Err(ZipError::InvalidPassword) => {}
                // One in 65,536 wrong passwords passes the two-byte check; authentication then fails.
                Ok(mut file) => assert!(file.read_to_end(&mut Vec::new()).is_err()),
                Err(other) => panic!("{other}"),
            }
        }
    }

    #[test]
    fn entries_are_ae_2_without_a_checksum_of_the_clear_text() {
        let bytes = archive(&[b'x'; 5000]);
        let mut zip = ZipArchive::new(Cursor::new(&bytes)).unwrap();
        for index in 0..zip.len() {
            let file = zip.by_index_raw(index).unwrap();
            assert_eq!((file.crc32(), file.encrypted()), (0, true), "{:?}", file.name());
            assert_eq!(file.last_modified().unwrap().to_string(), "2026-11-25 03:38:50");
        }
        // The extra field of AES, in local headers and directory: version 2 ("AE-2"), vendor "AE", strength 3
        // (256 bits), method 8 (deflate).
        let field = [0x01, 0x99, 7, 0, 2, 0, b'A', b'E', 3, 8, 0];
        assert_eq!(memchr::memmem::find_iter(&bytes, &field).count(), 4);
        assert_eq!(memchr::memmem::find_iter(&bytes, &[0x01, 0x99, 7, 0, 1, 0]).count(), 0, "no AE-1");
        assert!(memchr::memmem::find(&bytes, b"xxxx").is_none());
    }

    #[test]
    fn equal_content_is_encrypted_differently_each_time() {
        assert_ne!(archive(b"the same"), archive(b"the same"));
    }

    #[test]
    fn a_write_error_is_returned() {
        struct Full(usize);
        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
                Ok(bytes.len())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let entries = [Entry { name: "request.json", pieces: vec![Bytes::from(vec![0; 1000])] }];
        for room in [0, 10, 100] {
            let result = write(Full(room), &Secret::new("correct horse battery"), Timestamp::UNIX_EPOCH, &entries);
            assert_eq!(result.map(|_| ()).unwrap_err().kind(), io::ErrorKind::StorageFull);
        }
    }
}
