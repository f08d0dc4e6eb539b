// SPDX-License-Identifier: Apache-2.0
//! Decompression, chosen by what the bytes begin with.

use std::io::{self, BufRead, BufReader, Read};

use liblzma::stream::{CONCATENATED, Stream};

/// Memory that a decompressor may need: xz -9 takes 65 MiB. A defence against archives that ask for gigabytes.
const MAX_MEMORY: u64 = 256 << 20;
/// The same for zstd, as the logarithm of its window: 128 MiB, what `zstd -d` takes without being told to.
const MAX_WINDOW_LOG: u32 = 27;

/// Bytes read from the file at a time.
const BUFFER: usize = 128 * 1024;

/// Returns a reader of the uncompressed bytes.
pub(crate) fn decompress<'a, R: Read + Send + 'a>(input: R) -> io::Result<Box<dyn Read + Send + 'a>> {
    let mut input = BufReader::with_capacity(BUFFER, input);
    let start = input.fill_buf()?;
    Ok(if start.starts_with(b"\x1f\x8b") {
        Box::new(flate2::bufread::MultiGzDecoder::new(input))
    } else if start.starts_with(b"\xfd7zXZ\0") {
        let stream = Stream::new_stream_decoder(MAX_MEMORY, CONCATENATED).map_err(io::Error::from)?;
        Box::new(liblzma::bufread::XzDecoder::new_stream(input, stream))
    } else if start.starts_with(b"\x28\xb5\x2f\xfd") {
        let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?;
        decoder.window_log_max(MAX_WINDOW_LOG)?;
        Box::new(decoder)
    } else if start.starts_with(b"BZh") {
        Box::new(bzip2::bufread::MultiBzDecoder::new(input))
    } else if start.starts_with(b"\x5d\0\0") {
        // The older format of the same compressor; its header is thirteen bytes without a magic number.
        let stream = Stream::new_lzma_decoder(MAX_MEMORY).map_err(io::Error::from)?;
        Box::new(liblzma::bufread::XzDecoder::new_stream(input, stream))
    } else {
        Box::new(input)
    })
}
