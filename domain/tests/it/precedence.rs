//! Guards stand in the order of their list, and every refusal is named in a test.

use std::{fs, path::PathBuf};

use domain::{
    adjustment::AdjustmentRefusal, country::CountryRefusal, fee::FeeRefusal, free_text::TextRefusal,
    merchant::MerchantRefusal, money::MoneyRefusal, network::NetworkRefusal, old_name::OldNameRefusal,
    operator::OperatorRefusal, order::OrderRefusal, payment::PaymentRefusal, periods::PeriodsRefusal,
    posting::PostingRefusal, refund::RefundRefusal, refusal::Listed, remittance::RemittanceRefusal,
    risk_rules::RiskRulesRefusal, saga::SagaRefusal, settled_funds::SettledFundsRefusal, settlement::SettlementRefusal,
};

/// All files of a module: `name.rs` and what is under `name/`, in two heaps: code and tests.
fn sources(module: &str) -> (Vec<String>, String) {
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut open = vec![source.join(format!("{module}.rs")), source.join(module)];
    let (mut code, mut tests) = (Vec::new(), String::new());
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.exists() {
            let text = fs::read_to_string(&path).unwrap();
            let is_test = path.components().any(|part| part.as_os_str().to_string_lossy().starts_with("tests"));
            let (own, inline) = text.split_once("#[cfg(test)]").unwrap_or((&text, ""));
            tests.push_str(if is_test { &text } else { inline });
            if !is_test {
                code.push(own.to_owned());
            }
        }
    }
    (code, tests)
}

/// The refusals a function names, in the order it names them.
fn named<R: Listed>(function: &str, list: &str) -> Vec<R> {
    let name_of = |text: &str| text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned();
    let path = format!("{list}::");
    let mentions = function.split(&path).skip(1).map(name_of);
    mentions.filter_map(|name| R::ALL.iter().copied().find(|refusal| format!("{refusal:?}") == name)).collect()
}

fn check<R: Listed>(module: &str) {
    let full = std::any::type_name::<R>();
    let list = full.rsplit("::").next().unwrap();
    let (code, tests) = sources(module);
    for function in code.iter().flat_map(|text| text.split("fn ")) {
        let order = named::<R>(function, list);
        let name = function.split('(').next().unwrap_or_default();
        assert!(order.is_sorted(), "{module}: {name} tries its rules in another order than the list: {order:?}");
    }
    for refusal in R::ALL {
        let name = format!("{list}::{refusal:?}");
        let in_a_table = tests.contains(&format!("!{}", refusal.code()));
        assert!(tests.contains(&name) || in_a_table, "{module}: no test names {name}");
        assert!(code.iter().any(|text| text.contains(&name)), "{module}: nothing refuses with {name}");
    }
}

#[test]
fn every_refusal_is_tried_in_order_and_told_in_a_test() {
    check::<MerchantRefusal>("merchant");
    check::<OrderRefusal>("order");
    check::<PaymentRefusal>("payment");
    check::<RefundRefusal>("refund");
    check::<SettlementRefusal>("settlement");
    check::<SettledFundsRefusal>("settled_funds");
    check::<RemittanceRefusal>("remittance");
    check::<AdjustmentRefusal>("adjustment");
    check::<OperatorRefusal>("operator");
    check::<SagaRefusal>("saga");
    check::<RiskRulesRefusal>("risk_rules");
    check::<PeriodsRefusal>("periods");
    check::<OldNameRefusal>("old_name");
    check::<CountryRefusal>("country");
    check::<NetworkRefusal>("network");
    check::<MoneyRefusal>("money");
    check::<PostingRefusal>("posting");
    check::<FeeRefusal>("fee");
    check::<TextRefusal>("free_text");
}
