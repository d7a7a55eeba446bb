//! Whole FLOE messages through the `floe` module: the header, then the segments.

use waxseal::Error;
use waxseal::SecretKey;
use waxseal::floe;

/// Encrypts a message in order.
pub(crate) fn seal(key: &SecretKey, aad: &[u8], segment_len: u32, plain: &[u8]) -> Vec<u8> {
    let mut encryptor = floe::Encryptor::new(key, aad, segment_len).unwrap();
    let mut out = encryptor.header().to_vec();
    let laid_out = |piece: &[u8]| [&[0; 16], piece, &[0; 16]].concat();
    let mut pieces: Vec<&[u8]> = plain.chunks(segment_len as usize - 32).collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        let mut segment = laid_out(piece);
        encryptor.encrypt(&mut segment).unwrap();
        out.extend(segment);
    }
    let mut segment = laid_out(last);
    encryptor.encrypt_final(&mut segment).unwrap();
    out.extend(segment);
    out
}

/// Decrypts a message in order. What it released is in `released`, before an error too.
pub(crate) fn open(
    key: &SecretKey,
    aad: &[u8],
    sealed: &[u8],
    released: &mut Vec<u8>,
) -> Result<(), Error> {
    let (header, body) = split(sealed)?;
    let mut decryptor = floe::Decryptor::new(key, aad, &header)?;
    for segment in body.chunks(header.segment_len() as usize) {
        let mut segment = segment.to_vec();
        match decryptor.decrypt(&mut segment) {
            Ok(plain) => released.extend_from_slice(plain),
            Err(error) => {
                assert!(segment.iter().all(|&b| b == 0), "a refused segment is wiped");
                return Err(error);
            }
        }
    }
    decryptor.finish()
}

/// Verifies the end of a message, then decrypts all of it in one span.
pub(crate) fn open_at_random(key: &SecretKey, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Error> {
    let (header, body) = split(sealed)?;
    let layout = floe::Layout::of_body(header.segment_len(), body.len() as u64)?;
    let Some(last) = body.chunks(header.segment_len() as usize).next_back() else {
        panic!("a layout of no segments");
    };
    let access = floe::RandomAccess::new(key, aad, &header, layout, &mut last.to_vec())?;
    let span = layout.span(0..layout.plain_len())?;
    let mut fetched = body[..usize::try_from(span.body_len()).unwrap()].to_vec();
    if let Err(error) = access.decrypt(&span, &mut fetched) {
        assert!(fetched.iter().all(|&b| b == 0), "refused segments are wiped");
        return Err(error);
    }
    Ok(span.plaintext().flat_map(|place| fetched[place].to_vec()).collect())
}

fn split(sealed: &[u8]) -> Result<(floe::Header, &[u8]), Error> {
    let (header, body) = sealed.split_at(sealed.len().min(floe::HEADER_LEN));
    Ok((floe::Header::parse(header)?, body))
}
