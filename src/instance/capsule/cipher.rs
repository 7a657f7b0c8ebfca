//! age files: to a passphrase, or to recipients. Source: <https://age-encryption.org/v1>.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;

use age::secrecy::SecretString;
use age::stream::{StreamReader, StreamWriter};
use age::{DecryptError, Decryptor, Encryptor, IdentityFile};

use crate::error::{Error, Kind, PathContext as _, Result};
use crate::model::secret::Secret;

/// The work of scrypt for a new file, as powers of 2: a second, and 256 MiB.
const WORK: u8 = 18;

/// What a file may ask for: 1 GiB.
const MOST_WORK: u8 = 20;

/// Bytes of the header of a file.
const LARGEST_HEADER: usize = 64 << 10;

/// What ends a header. Source: the specification of age, "Header".
const END: &[u8] = b"\n--- ";

/// Whom a new file is for.
pub enum Lock {
    /// Whoever knows it.
    Passphrase(Secret),
    /// Whoever has the identity of one of these.
    Recipients(Vec<Recipient>),
}

/// What a file is opened with.
pub enum Keys {
    /// A passphrase.
    Passphrase(Secret),
    /// A file with identities, as `age-keygen` writes it.
    Identities(std::path::PathBuf),
}

/// Whoever has the identity of this X25519 public key.
#[derive(Clone)]
pub struct Recipient(age::x25519::Recipient);

/// Reads `age1…`.
///
/// # Errors
/// What is no X25519 recipient, in words.
pub fn recipient(text: &str) -> Result<Recipient, String> {
    text.parse().map(Recipient).map_err(|_| {
        "it is no recipient of age (age1…; `age-keygen` makes one with its identity)".to_owned()
    })
}

/// What is written is encrypted on its way; [`StreamWriter::finish`] ends it.
pub(super) fn seal<W: Write>(lock: &Lock, to: W) -> Result<StreamWriter<W>> {
    let sealed = match lock {
        Lock::Passphrase(passphrase) => {
            let mut recipient = age::scrypt::Recipient::new(secret(passphrase));
            recipient.set_work_factor(WORK);
            Encryptor::with_recipients(std::iter::once(&recipient as &dyn age::Recipient))
        }
        Lock::Recipients(all) => {
            Encryptor::with_recipients(all.iter().map(|it| &it.0 as &dyn age::Recipient))
        }
    };
    let sealed = sealed.map_err(|error| Error::usage("cannot encrypt").because(error))?;
    let writer = sealed.wrap_output(to);
    writer.map_err(|error| Error::usage("cannot write an encrypted file").because(error))
}

fn secret(text: &Secret) -> SecretString {
    SecretString::from(text.expose().to_owned())
}

/// Whether a file is opened with a passphrase, else with an identity.
///
/// # Errors
/// A file that cannot be read, or is no age file.
pub fn needs_passphrase(path: &Path) -> Result<bool> {
    Ok(header(path)?.is_scrypt())
}

/// The content of a file; reading it to its end proves that it is whole.
pub(super) fn unseal(path: &Path, keys: &Keys) -> Result<StreamReader<BufReader<File>>> {
    let sealed = header(path)?;
    let opened = match keys {
        Keys::Passphrase(passphrase) => {
            let mut identity = age::scrypt::Identity::new(secret(passphrase));
            identity.set_max_work_factor(MOST_WORK);
            sealed.decrypt(std::iter::once(&identity as &dyn age::Identity))
        }
        Keys::Identities(file) => {
            let all = identities(file)?;
            sealed.decrypt(all.iter().map(|it| it.as_ref() as &dyn age::Identity))
        }
    };
    opened.map_err(|error| refused(error, keys))
}

fn refused(error: DecryptError, keys: &Keys) -> Error {
    match (&error, keys) {
        (DecryptError::ExcessiveWork { required, .. }, _) => Error::usage(format!(
            "it asks for the work 2^{required} before a passphrase can be tried; there may be 2^{MOST_WORK}"
        )),
        (
            DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed,
            Keys::Passphrase(_),
        ) => Error::usage("the passphrase does not open it"),
        (DecryptError::NoMatchingKeys, Keys::Passphrase(_)) => {
            Error::usage("it is not encrypted with a passphrase")
                .hint("`--identity FILE` opens it with an identity of age")
        }
        (DecryptError::NoMatchingKeys, Keys::Identities(_)) => {
            Error::usage("it is not encrypted to any identity in that file")
        }
        _ => Error::usage("it cannot be decrypted").because(error),
    }
}

fn identities(path: &Path) -> Result<Vec<Box<dyn age::Identity>>> {
    let file = File::open(path).at(Kind::Usage, "read", path)?;
    let wrong = |why: String| {
        let text = format!("{} is no file of identities of age", path.display());
        Error::usage(text).because(why)
    };
    let limited = BufReader::new(file.take(1 << 20));
    let read = IdentityFile::from_buffer(limited).map_err(|error| wrong(error.to_string()))?;
    let all = read.into_identities();
    all.map_err(|error| wrong(error.to_string()))
}

/// The header of a file, read within bounds.
fn header(path: &Path) -> Result<Decryptor<BufReader<File>>> {
    let file = File::open(path).at(Kind::Usage, "read", path)?;
    let mut reader = BufReader::with_capacity(LARGEST_HEADER, file);
    let begin = reader.fill_buf().at(Kind::Usage, "read", path)?;
    let wrong = || {
        let text = format!("{} is no capsule: it is no age file", path.display());
        Error::usage(text).hint("`devenv capsule save` writes capsules")
    };
    if !begin.windows(END.len()).any(|it| it == END) {
        return Err(wrong());
    }
    Decryptor::new_buffered(reader).map_err(|error| wrong().because(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(lock: &Lock) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut writer = seal(lock, &mut file).unwrap();
        writer.write_all(&vec![7; 200_000]).unwrap();
        writer.finish().unwrap();
        file
    }

    fn opened(path: &Path, keys: &Keys) -> Result<Vec<u8>, String> {
        let mut content = Vec::new();
        let mut reader = unseal(path, keys).map_err(|it| it.to_string())?;
        let read = reader.read_to_end(&mut content);
        read.map_err(|it| it.to_string()).map(|_| content)
    }

    #[test]
    fn only_who_it_is_for_opens_it() {
        let own = age::x25519::Identity::generate();
        let other = age::x25519::Identity::generate();
        let lock = Lock::Recipients(vec![
            Recipient(other.to_public()),
            Recipient(own.to_public()),
        ]);
        let file = sealed(&lock);
        assert!(!needs_passphrase(file.path()).unwrap());
        let keys = |identity: &age::x25519::Identity| {
            use age::secrecy::ExposeSecret as _;
            let mut file = tempfile::NamedTempFile::new().unwrap();
            writeln!(file, "# mine\n{}", identity.to_string().expose_secret()).unwrap();
            let path = file.into_temp_path().keep().unwrap();
            Keys::Identities(path)
        };
        assert_eq!(opened(file.path(), &keys(&own)).unwrap(), vec![7; 200_000]);
        let stranger = keys(&age::x25519::Identity::generate());
        let said = opened(file.path(), &stranger).unwrap_err();
        assert!(said.contains("not encrypted to any identity"), "{said}");
        let said = opened(file.path(), &Keys::Passphrase(Secret::new("x"))).unwrap_err();
        assert!(said.contains("not encrypted with a passphrase"), "{said}");
    }

    #[test]
    fn what_is_cut_or_changed_does_not_read_to_its_end() {
        let own = age::x25519::Identity::generate();
        let file = sealed(&Lock::Recipients(vec![Recipient(own.to_public())]));
        let whole = std::fs::read(file.path()).unwrap();
        let identity = own;
        let read = |bytes: &[u8]| {
            let path = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(path.path(), bytes).unwrap();
            let sealed = header(path.path())?;
            let opened = sealed.decrypt(std::iter::once(&identity as &dyn age::Identity));
            let mut reader = opened.map_err(|error| Error::usage("no").because(error))?;
            let mut content = Vec::new();
            let read = reader.read_to_end(&mut content);
            read.map_err(|error| Error::usage("no").because(error))
        };
        assert_eq!(read(&whole).unwrap(), 200_000);
        for cut in [whole.len() - 1, whole.len() / 2, 300, 20, 0] {
            assert!(read(&whole[..cut]).is_err(), "{cut}");
        }
        for at in [30, 100, 250, whole.len() / 2, whole.len() - 1] {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert!(read(&changed).is_err(), "{at}");
        }
    }

    #[test]
    fn what_asks_for_too_much_is_refused_before_it_is_given() {
        let file = sealed(&Lock::Passphrase(Secret::new("correct horse")));
        assert!(needs_passphrase(file.path()).unwrap());
        let keys = |text: &str| Keys::Passphrase(Secret::new(text));
        let right = opened(file.path(), &keys("correct horse"));
        assert_eq!(right.unwrap().len(), 200_000);
        let said = opened(file.path(), &keys("wrong")).unwrap_err();
        assert_eq!(said, "the passphrase does not open it");
        let whole = std::fs::read(file.path()).unwrap();
        let at = whole.windows(4).position(|it| it == b" 18\n").unwrap();
        let mut hungry = whole;
        hungry[at + 1] = b'2';
        hungry[at + 2] = b'9';
        std::fs::write(file.path(), hungry).unwrap();
        let said = opened(file.path(), &keys("correct horse")).unwrap_err();
        assert!(said.contains("2^29"), "{said}");
        let endless = [b"age-encryption.org/v1\n".to_vec(), vec![b'x'; 100_000]].concat();
        std::fs::write(file.path(), endless).unwrap();
        let said = opened(file.path(), &keys("x")).unwrap_err();
        assert!(said.ends_with("it is no age file"), "{said}");
    }
}
