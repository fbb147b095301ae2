//! Stored data sources: any keys give a data source with valid files and variables, or an error of two lines.
#![no_main]
use jupyter_vault::internals::DataSource;
use jupyter_vault::secret::SecretValue;

libfuzzer_sys::fuzz_target!(|input: (&str, Vec<(String, String)>)| {
    let (kind, fields) = input;
    let value = |text: &str| SecretValue::new(text.as_bytes().to_vec());
    let mut keys = vec![("kind".to_owned(), value(kind))];
    keys.extend(fields.iter().map(|(name, text)| (name.clone(), value(text))));
    match DataSource::parse("secret/x/warehouse", keys).and_then(|source| source.check().map(|()| source)) {
        Ok(source) => {
            let named: Vec<_> = source.variables().into_iter().map(|(name, _)| name).collect();
            assert!(source.filled_variables().iter().all(|filled| named.contains(&filled.variable)));
        }
        Err(error) => assert_eq!(error.to_string().lines().count(), 2),
    }
});
