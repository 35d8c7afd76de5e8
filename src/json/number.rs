//! What a number is called in JavaScript.

/// The text that JavaScript makes of a number in JSON (ECMA-262, Number::toString): `2` of `2.0`, `0` of `-0`, `1e+21` of a one
/// with 21 zeros. A number that no `f64` can tell exactly has the text of the nearest one that can.
pub fn javascript_text(number: &str) -> String {
    javascript_text_of(number.parse().unwrap_or(f64::NAN))
}

/// As [`javascript_text`], of a number that is none of JSON's.
pub fn javascript_text_of(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if value.is_nan() {
        return "NaN".to_owned();
    }
    let sign = if value < 0.0 { "-" } else { "" };
    if value.is_infinite() {
        return format!("{sign}Infinity");
    }
    // The fewest digits that mean this number, as in JavaScript: `1.25e-7`.
    let shortest = format!("{:e}", value.abs());
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let digits = mantissa.replace('.', "");
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let count = digits.len() as i32;
    match exponent {
        0..21 if count <= exponent + 1 => {
            let zeros = "0".repeat((exponent + 1 - count) as usize);
            format!("{sign}{digits}{zeros}")
        }
        0..21 => {
            let (whole, part) = digits.split_at(exponent as usize + 1);
            format!("{sign}{whole}.{part}")
        }
        -6..0 => {
            let zeros = "0".repeat((-exponent - 1) as usize);
            format!("{sign}0.{zeros}{digits}")
        }
        _ => {
            let direction = if exponent < 0 { '-' } else { '+' };
            format!("{sign}{mantissa}e{direction}{}", exponent.unsigned_abs())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_called_as_javascript_calls_them() {
        for (json, text) in [
            ("2", "2"),
            ("2.0", "2"),
            ("2e0", "2"),
            ("-0", "0"),
            ("-0.0e5", "0"),
            ("1.5", "1.5"),
            ("-17.25", "-17.25"),
            ("100", "100"),
            ("1E2", "100"),
            ("0.1", "0.1"),
            ("0.000001", "0.000001"),
            ("1.5e-6", "0.0000015"),
            ("0.0000001", "1e-7"),
            ("-1.25e-7", "-1.25e-7"),
            ("1e20", "100000000000000000000"),
            ("123456789012345680000", "123456789012345680000"),
            ("999999999999999999999", "1e+21"),
            ("1e21", "1e+21"),
            ("1.25e21", "1.25e+21"),
            ("-1e300", "-1e+300"),
            ("9007199254740993", "9007199254740992"),
            ("18446744073709551615", "18446744073709552000"),
            ("0.1e1", "1"),
            ("5e-324", "5e-324"),
            ("1e-400", "0"),
            ("1e400", "Infinity"),
            ("-1e400", "-Infinity"),
            ("1.7976931348623157e308", "1.7976931348623157e+308"),
            ("123.456", "123.456"),
            ("4.35", "4.35"),
        ] {
            assert_eq!(javascript_text(json), text, "{json}");
        }
    }

    proptest! {
        #[test]
        fn the_text_means_the_same_number(value in any::<f64>().prop_filter("JSON has no other", |value| value.is_finite())) {
            let text = javascript_text(&serde_json::Value::from(value).to_string());
            prop_assert_eq!(text.parse::<f64>().unwrap(), value);
        }
    }
}
