//! Times of certificates, read as Go's cryptobyte reads them. Source: RFC 5280 4.1.2.5, X.690 11.7 and 11.8.

use crate::asn1::Reader;
use crate::error::{Error, malformed};

const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// One UTCTime or GeneralizedTime in seconds since 1970. Errors: `Malformed`.
pub(crate) fn read(reader: &mut Reader<'_>) -> Result<i64, Error> {
    let element = reader.element()?;
    let seconds = match element.tag {
        // Minutes are enough for Go in a UTCTime.
        UTC_TIME => parse(element.value, 2, true),
        GENERALIZED_TIME => parse(element.value, 4, false),
        _ => None,
    };
    seconds.ok_or_else(|| malformed("a certificate with a damaged time"))
}

fn parse(text: &[u8], year_digits: usize, minutes_do: bool) -> Option<i64> {
    let mut digits = Digits(text);
    let year = digits.take(year_digits)?;
    let year = match (year_digits, year) {
        (2, 0..=49) => 2000 + year,
        (2, _) => 1900 + year,
        _ => year,
    };
    let (month, day) = (digits.take(2)?, digits.take(2)?);
    let (hour, minute) = (digits.take(2)?, digits.take(2)?);
    let second = match digits.take(2) {
        Some(second) => second,
        None if minutes_do => 0,
        None => return None,
    };
    let fits = (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    let offset = digits.zone()?;
    fits.then(|| {
        let days = days_since_1970(year, month, day);
        ((days * 24 + hour) * 60 + minute) * 60 + second - offset
    })
}

struct Digits<'a>(&'a [u8]);

impl Digits<'_> {
    fn take(&mut self, count: usize) -> Option<i64> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        let number = digits.iter().try_fold(0, |sum, digit| {
            digit
                .is_ascii_digit()
                .then(|| sum * 10 + i64::from(digit - b'0'))
        })?;
        self.0 = rest;
        Some(number)
    }

    /// Z, or an offset other than zero in seconds, to the end.
    fn zone(mut self) -> Option<i64> {
        let (sign, rest) = self.0.split_first()?;
        self.0 = rest;
        let sign = match sign {
            b'Z' => return self.0.is_empty().then_some(0),
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let (hours, minutes) = (self.take(2)?, self.take(2)?);
        let fits = self.0.is_empty() && hours <= 24 && minutes < 60 && hours + minutes > 0;
        fits.then_some(sign * (hours * 60 + minutes) * 60)
    }
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days of the proleptic Gregorian calendar; the year begins with March, so that the leap day comes last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // 153 days are in five months from March on; 719468 days lie between 0000-03-01 and 1970-01-01.
    365 * year + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::asn1::{Reader, tlv};
    use time::macros::format_description;
    use time::{Duration, OffsetDateTime};

    fn generalized(text: &str) -> Option<i64> {
        read(&mut Reader::new(&tlv(
            super::GENERALIZED_TIME,
            &[text.as_bytes()],
        )))
        .ok()
    }

    fn utc(text: &str) -> Option<i64> {
        read(&mut Reader::new(&tlv(super::UTC_TIME, &[text.as_bytes()]))).ok()
    }

    /// The crate `time` is the judge: a day in every third week and the last second of every year, 0000 to 9999.
    #[test]
    fn days_are_those_of_the_crate_time() {
        let format = format_description!("[year][month][day][hour][minute][second]Z");
        let mut moment = OffsetDateTime::UNIX_EPOCH - Duration::seconds(62_167_219_200);
        while moment.year() < 9999 {
            let text = moment.format(format).unwrap();
            assert_eq!(generalized(&text), Some(moment.unix_timestamp()), "{text}");
            moment += Duration::seconds(20 * 86_400 + 12_345);
        }
        assert_eq!(generalized("99991231235959Z"), Some(253_402_300_799));
        assert_eq!(generalized("00000101000000Z"), Some(-62_167_219_200));
    }

    #[test]
    fn two_digits_mean_1950_to_2049() {
        assert_eq!(utc("500101000000Z"), generalized("19500101000000Z"));
        assert_eq!(utc("491231235959Z"), generalized("20491231235959Z"));
        assert_eq!(utc("000229120000Z"), generalized("20000229120000Z"));
        assert_eq!(utc("0001010000Z"), generalized("20000101000000Z"));
    }

    #[test]
    fn offsets_are_taken_off() {
        assert_eq!(
            generalized("20260101020000+0200"),
            generalized("20260101000000Z")
        );
        assert_eq!(
            generalized("20251231223000-0130"),
            generalized("20260101000000Z")
        );
    }

    #[test]
    fn what_is_no_time() {
        for text in [
            "",
            "Z",
            "20260101000000",
            "20260101000000z",
            "202601010000Z",
            "20260001000000Z",
            "20261301000000Z",
            "20260100000000Z",
            "20260229000000Z",
            "19000229000000Z",
            "20260132000000Z",
            "20260101240000Z",
            "20260101006000Z",
            "20260101000060Z",
            "20260101000000.5Z",
            "20260101000000+0000",
            "20260101000000-0000",
            "20260101000000+2500",
            "20260101000000+0160",
            "20260101000000+01",
            "20260101000000ZZ",
            "2026010100000 Z",
            "+0260101000000Z",
        ] {
            assert_eq!(generalized(text), None, "{text}");
        }
    }
}
