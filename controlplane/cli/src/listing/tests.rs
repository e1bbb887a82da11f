use super::*;
use crate::client::tests::daemon;
use dhpctl::{
    Answer, Association, Flow, FlowMode, FlowTable, FlowTarget, Flows, LARGEST_PAGE, MobileNode,
    MobileNodes, Window,
};

fn association(spi: u32, heard: Option<u64>, sequence: Option<u16>) -> Association {
    Association {
        spi,
        algorithm: "hmac-sha1-96".to_owned(),
        last_heard_seconds: heard,
        window: sequence.map_or(Window::Lost, |_| Window::Known),
        sequence,
        unused_numbers: 0,
        refused: 3,
    }
}

fn node(id: &str, associations: Vec<Association>) -> MobileNode {
    let heard = associations
        .iter()
        .filter(|association| association.last_heard_seconds.is_some())
        .min_by_key(|association| association.last_heard_seconds);
    MobileNode {
        id: id.to_owned(),
        last_used_spi: heard.map(|association| association.spi),
        last_heard_seconds: heard.and_then(|association| association.last_heard_seconds),
        associations,
        home_addresses: Vec::new(),
        dhoas: 2,
        max_dhoas: 16,
        quarantined: 1,
        care_of_addresses: vec!["2001:db8:a::5".parse().expect("an address")],
    }
}

fn line(reply: Reply) -> String {
    serde_json::to_string(&Answer::Ok(reply)).expect("JSON")
}

/// What is printed, and what was asked for that.
fn printed(request: Request, json: bool, answers: Vec<Reply>) -> (String, Vec<String>) {
    let (_directory, path, server) = daemon(answers.into_iter().map(line).collect());
    let mut client = Client::connect(&path).expect("connected");
    let mut output = Vec::new();
    print(&mut client, request, json, &mut output).expect("printed");
    let asked = server.join().expect("served");
    (String::from_utf8(output).expect("text"), asked)
}

fn all_nodes(node: Option<&str>) -> Request {
    Request::MobileNodes {
        node: node.map(str::to_owned),
        from: 0,
        limit: LARGEST_PAGE,
    }
}

fn pages_of_nodes() -> Vec<Reply> {
    let changing = vec![
        association(256, Some(4_000), Some(900)),
        association(512, Some(3), Some(5)),
    ];
    let page = |mobile_nodes, next| Reply::MobileNodes(MobileNodes { mobile_nodes, next });
    vec![
        page(vec![node("mn1@example.net", changing)], Some(700)),
        // Nobody was found among those looked at.
        page(Vec::new(), Some(1_400)),
        page(vec![node("a@b", vec![association(258, None, None)])], None),
    ]
}

#[test]
fn a_table_goes_on_from_page_to_page() {
    let (text, asked) = printed(all_nodes(None), false, pages_of_nodes());
    assert_eq!(
        text,
        "\
MOBILE NODE      SPIS                                USED LAST  LAST HEARD  SEQUENCE  REFUSED  HOME ADDRESS    DHOAS  QUARANTINED  CARE-OF ADDRESS
mn1@example.net  256 hmac-sha1-96, 512 hmac-sha1-96        512      3s ago         5        6  -             2 of 16            1  2001:db8:a::5
a@b              258 hmac-sha1-96                            -       never      lost        3  -             2 of 16            1  2001:db8:a::5
"
    );
    let continued: Vec<&str> = asked
        .iter()
        .filter_map(|line| line.split("\"from\":").nth(1)?.split(',').next())
        .collect();
    assert_eq!(continued, ["0", "700", "1400"]);
}

#[test]
fn json_is_one_array_with_a_line_for_each() {
    let (text, _) = printed(all_nodes(None), true, pages_of_nodes());
    let nodes: Vec<MobileNode> = serde_json::from_str(&text).expect("an array of mobile nodes");
    assert_eq!(nodes.len(), 2);
    assert_eq!(text.lines().count(), 4);
}

#[test]
fn flows_say_what_goes_where() {
    let flow = |fid: u16, mode: FlowMode| Flow {
        home_address: "2001:db8:d:1::7".parse().expect("an address"),
        mobile_node: "a@b".to_owned(),
        fid,
        mode,
        priority: None,
        selector: None,
        targets: vec![FlowTarget {
            bid: None,
            care_of: Some("2001:db8:a::5".parse().expect("an address")),
        }],
        table: None,
    };
    let steered = Flow {
        priority: Some(10),
        selector: Some("protocol 17".to_owned()),
        targets: vec![
            FlowTarget {
                bid: Some(1),
                care_of: Some("2001:db8:a::5".parse().expect("an address")),
            },
            FlowTarget {
                bid: Some(2),
                care_of: None,
            },
        ],
        table: Some(FlowTable::Range),
        ..flow(7, FlowMode::Proxy)
    };
    let flows = vec![steered, flow(0, FlowMode::RouteOptimized)];
    let page = Reply::Flows(Flows { flows, next: None });
    let request = Request::Flows {
        node: None,
        home_address: None,
        after: None,
        limit: LARGEST_PAGE,
    };
    let (text, _) = printed(request, false, vec![page]);
    assert_eq!(
        text,
        "\
HOME ADDRESS     MOBILE NODE  FLOW  MODE             PRIORITY  TABLE  CARE-OF ADDRESS                                PACKETS FROM CORRESPONDENTS
2001:db8:d:1::7  a@b             7  proxy                  10  range  2001:db8:a::5 (BID 1), not registered (BID 2)  protocol 17
2001:db8:d:1::7  a@b             0  route-optimized         -  -      2001:db8:a::5                                  -
"
    );
}

#[test]
fn nothing_is_said_in_words() {
    let none = || vec![Reply::MobileNodes(MobileNodes::default())];
    let (text, _) = printed(all_nodes(None), false, none());
    assert_eq!(text, "no mobile node is configured\n");
    let (text, asked) = printed(all_nodes(Some("x@y")), false, none());
    assert_eq!(text, "no mobile node x@y is configured\n");
    assert!(asked.iter().all(|line| line.contains(r#""node":"x@y""#)));
    let (text, _) = printed(all_nodes(None), true, none());
    assert_eq!(text, "[]\n");
    let address = "2001:db8::7".parse().expect("an address");
    for (node, home_address, said) in [
        (None, None, "no bound home address has flows\n"),
        (Some("x@y"), None, "x@y has no flows\n"),
        (
            None,
            Some(address),
            "2001:db8::7 has no flows, or is not bound\n",
        ),
    ] {
        let request = Request::Flows {
            node: node.map(str::to_owned),
            home_address,
            after: None,
            limit: LARGEST_PAGE,
        };
        let (text, _) = printed(request, false, vec![Reply::Flows(Flows::default())]);
        assert_eq!(text, said);
    }
}
