//! Carries emails to a mail server. Must not know: what they say.

use super::parcel::Parcel;
use super::{CarrierError, Failure};
use crate::config::delivery::{SmtpSecurity, SmtpSettings};
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

/// A command has to be answered within this long.
const TIME_LIMIT: Duration = Duration::from_secs(20);

/// The way to a mail server.
pub(super) struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    sender: Mailbox,
    reply_to: Option<Mailbox>,
}

impl fmt::Debug for Smtp {
    /// The transport knows a password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Smtp").field("sender", &self.sender).finish_non_exhaustive()
    }
}

impl Smtp {
    /// # Errors
    /// The sender's address or the certificates cannot be used.
    pub(super) fn new(settings: &SmtpSettings) -> Result<Self, CarrierError> {
        let mailbox = |text: &String| text.parse::<Mailbox>().map_err(|_| CarrierError::Address(text.clone()));
        let sender = mailbox(&settings.sender)?;
        let tls = match settings.security {
            SmtpSecurity::Tls => Tls::Wrapper(tls(settings)?),
            SmtpSecurity::StartTls => Tls::Required(tls(settings)?),
            SmtpSecurity::None => Tls::None,
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&settings.host)
            .port(settings.port)
            .tls(tls)
            .timeout(Some(TIME_LIMIT))
            .hello_name(ClientId::Domain(sender.email.domain().to_owned()));
        if let Some(user) = &settings.user {
            builder = builder.credentials(Credentials::new(user.clone(), settings.password.reveal().to_owned()));
        }
        Ok(Self { transport: builder.build(), reply_to: settings.reply_to.as_ref().map(mailbox).transpose()?, sender })
    }

    /// One attempt.
    pub(super) async fn carry(&self, parcel: &Parcel) -> Result<(), Failure> {
        let email = self.email(parcel)?;
        match self.transport.send(email).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_permanent() => Err(Failure::last(error.to_string())),
            Err(error) => Err(Failure::again(error.to_string())),
        }
    }

    /// The email as it travels. An address that is none is refused here: nobody writes header lines by it.
    fn email(&self, parcel: &Parcel) -> Result<Message, Failure> {
        let letter = parcel.letter.as_ref().ok_or_else(|| Failure::last("a mail server carries no text messages"))?;
        let to: Address = letter.to.parse().map_err(|_| Failure::last("the recipient is no email address"))?;
        let automatic = HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned());
        let mut builder = Message::builder()
            .from(self.sender.clone())
            .to(Mailbox::new(None, to))
            .subject(letter.subject.clone())
            .date(UNIX_EPOCH + Duration::from_millis(parcel.at))
            .message_id(Some(format!("<{}@{}>", parcel.id, self.sender.email.domain())))
            .raw_header(automatic);
        if let Some(reply_to) = &self.reply_to {
            builder = builder.reply_to(reply_to.clone());
        }
        let email = match &letter.html {
            Some(html) => builder.multipart(MultiPart::alternative_plain_html(letter.text.clone(), html.clone())),
            None => builder.singlepart(SinglePart::plain(letter.text.clone())),
        };
        email.map_err(|error| Failure::last(error.to_string()))
    }
}

/// The certificates that browsers trust, which are in the program, and what the admin adds.
fn tls(settings: &SmtpSettings) -> Result<TlsParameters, CarrierError> {
    let mut parameters = TlsParameters::builder(settings.host.clone()).certificate_store(CertificateStore::WebpkiRoots);
    if let Some(file) = &settings.ca_file {
        let failed = |problem: String| CarrierError::Certificates { file: file.display().to_string(), problem };
        let pem = std::fs::read(file).map_err(|error| failed(error.to_string()))?;
        let certificate = Certificate::from_pem(&pem).map_err(|error| failed(error.to_string()))?;
        parameters = parameters.add_root_certificate(certificate);
    }
    parameters.build_rustls().map_err(|error| CarrierError::Tls(error.to_string()))
}
