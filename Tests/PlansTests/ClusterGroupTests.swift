import Models
import Plans
import Reading
import TestSupport
import Testing

/// `groups` and `between` of a cluster.
@Suite struct ClusterGroupTests {
    /// A plan with these lines under `cluster:`.
    private static func plan(_ cluster: String, _ rest: String = "layout: {tensor: 8, pipeline: 4}") -> String {
        "model: {name: llama3-70b}\ncluster:\n\(cluster)\nbatch: 256\n\(rest)\n"
    }

    private static let link = "  between: {name: ethernet, bandwidth: 10 GB/s, latency: 20 us, efficiency: 0.8}"
    private static let two = """
          groups:
            - {extends: h100-80g-sxm, nodes: 2}
            - {extends: a100-80g-sxm, nodes: 4, devicesPerNode: 4}
        \(link)
        """

    @Test func groupsAreClustersOfTheirOwn() throws {
        let plan = try PlanText.read(Self.plan(Self.two))
        let groups = try #require(plan.cluster.groups)
        #expect(plan.devices == 32 && plan.layout?.data == 1)
        #expect(groups.list.map(\.devices) == [16, 16] && groups.list.map(\.nodes) == [2, 4])
        #expect(groups.list[0].cluster == (try Cluster.read("h100-80g-sxm", library: Checkout.library)))
        #expect(groups.list[1].cluster.devicesPerNode == 4)
        #expect(groups.list[1].cluster.name == "a100-80g-sxm (devicesPerNode 4)")
        #expect(groups.between.network(devicesPerNode: 8).bytesPerSecond == 10e9)
        let layout = try #require(plan.layout)
        #expect(StageGroups(groups, layout)?.groupOfRank == [0, 0, 1, 1])
    }

    @Test func cardsAreSharedByADevicesNode() throws {
        let cards = "  between: {name: ethernet, nicGbps: 100, nicsPerNode: 2, latency: 20 us, efficiency: 0.8}"
        let plan = try PlanText.read(Self.plan(Self.two.replacing(Self.link, with: cards)))
        let between = try #require(plan.cluster.groups?.between)
        #expect(between.network(devicesPerNode: 8).bytesPerSecond == 2 * 100e9 / 8 / 8)
        #expect(between.network(devicesPerNode: 4).bytesPerSecond == 2 * 100e9 / 8 / 4)
    }

    /// One group alone is the cluster of one kind of nodes, with so many devices.
    @Test func oneGroupIsTheFlatForm() throws {
        let layout = "layout: {tensor: 8, pipeline: 4}"
        let one = try PlanText.read(Self.plan("  groups: [{extends: h100-80g-sxm, nicGbps: 200, nodes: 8}]", layout))
        let flat = try PlanText.read(
            Self.plan("  extends: h100-80g-sxm\n  nicGbps: 200\ndevices: 64", layout))
        #expect(one.cluster == flat.cluster && one.devices == flat.devices && one.layout == flat.layout)
        #expect(one == flat)
    }

    @Test func filesHoldGroupsToo() throws {
        let folder = try TemporaryFolder()
        try folder.write(
            "groups:\n  - {extends: h100-80g-sxm, nodes: 2}\n  - {extends: a100-80g-sxm, nodes: 2}\n"
                + Self.link.dropFirst(2) + "\n", as: "mixed.yaml")
        let path = folder["mixed.yaml"]
        let cluster = try Cluster.read(path, library: Checkout.library)
        #expect(cluster.groups?.devices == 32)
        #expect(
            PlanText.problems("model: {name: llama3-70b}\ncluster: {extends: \(path), price: 2}\nlayout: {tensor: 8}\n")
                .contains { $0.contains("is a cluster of groups, which no other cluster extends") })
    }

    @Test func writtenClustersReadBack() throws {
        for text in [
            Self.two, Self.two.replacing("nodes: 4, devicesPerNode: 4", with: "nodes: 2, price: 1.25, nicGbps: 100"),
        ] {
            let plan = try PlanText.read(Self.plan(text))
            let again = try PlanText.read(plan.yaml(library: Checkout.library))
            #expect(again.cluster == plan.cluster && again.devices == plan.devices && again.layout == plan.layout)
            // A name that the library holds stays one.
            #expect(plan.yaml(library: Checkout.library).contains("extends: h100-80g-sxm"))
            let file = try Cluster.read(text: plan.cluster.yaml(), path: "mixed.yaml", library: Checkout.library)
            #expect(file.groups == plan.cluster.groups)
        }
    }

    @Test func ordersAreAllOfFew() throws {
        let (a, b, c) = (
            try Cluster.read("h100-80g-sxm", library: Checkout.library),
            try Cluster.read("a100-80g-sxm", library: Checkout.library),
            try Cluster.read("v100-32g-sxm", library: Checkout.library)
        )
        let link = GroupLink(name: "x", bytesPerSecond: 1e9, latencySeconds: 1e-5, efficiency: 1)
        func orders(_ clusters: [Cluster]) -> Int {
            ClusterGroups(clusters.map { .init(cluster: $0, nodes: 1) }, between: link).orders.count
        }
        #expect(orders([a, b]) == 2 && orders([a, a]) == 1 && orders([a, b, c]) == 6 && orders([a, b, a]) == 3)
        #expect(orders([a, b, c, a, b]) == 2)
    }

    /// All problems at once, each at its place.
    @Test func everythingWrongIsSaidAtOnce() {
        let problems = PlanText.problems(
            Self.plan(
                """
                  price: 3
                  groups:
                    - {extends: h100-80g-sxm}
                    - {extends: v100-32g-sxmm, nodes: 0}
                    - {extends: a100-80g-sxm, nodes: 4, foo: 3, groups: [{nodes: 1}]}
                  between: {name: x, nicGbps: 100, latency: 3 us, efficiency: 0.8, devices: 4}
                """))
        for part in [
            "plan.yaml:3:10: cluster.price: describes a cluster of one kind of nodes",
            "plan.yaml:5:7: cluster.groups[0].nodes: is missing",
            "plan.yaml:6:17: cluster.groups[1].extends: no cluster of that name",
            "plan.yaml:6:39: cluster.groups[1].nodes: must be a whole number",
            "cluster.groups[2].foo: unknown key", "cluster.groups[2].groups: a group is one kind of nodes",
            "cluster.between.nicGbps: is half of what the bandwidth follows from",
            "cluster.between.devices: is not a property of the network between groups",
        ] { #expect(problems.contains { $0.contains(part) }, "\(part) in \(problems)") }
        #expect(!problems.contains { $0.contains("cluster.device") })
    }

    @Test(arguments: [
        ("layout: {tensor: 8, pipeline: 1, data: 4}", "do not divide the 16 of cluster.groups[0]"),
        ("layout: {tensor: 8, pipeline: 4, schedule: chimera}", "puts every stage on two ranks"),
        ("layout: {tensor: 8, pipeline: 4, schedule: dualpipe}", "puts every stage on two ranks"),
        ("devices: 64\nlayout: {tensor: 8, pipeline: 4}", "devices: must be those of cluster.groups, 32"),
        ("layout: {tensor: 8, pipeline: 3}", "must be a multiple of tensor 8 · pipeline 3 = 24; change a degree"),
        ("precision: fp8\nlayout: {tensor: 8, pipeline: 4}", "cluster.groups[1] has no rate for it"),
    ]) func brokenRules(_ rest: String, _ message: String) {
        let problems = PlanText.problems(Self.plan(Self.two, rest))
        #expect(problems.contains { $0.contains(message) }, "\(problems)")
    }

    @Test func otherNumbersOfDevicesAreRefused() {
        #expect(PlanText.problems(Self.plan(Self.two), devices: 64).contains { $0.contains("cluster.groups, 32") })
        #expect(PlanText.problems(Self.plan(Self.two), devices: 32).isEmpty)
        #expect(PlanText.problems(Self.plan(Self.two, "layout: auto")).isEmpty)
        let many = Self.two.replacing("nodes: 2", with: "nodes: 1000000").replacing("nodes: 4", with: "nodes: 1e6")
        #expect(PlanText.problems(Self.plan(many)).contains { $0.contains("10,000,000 devices a plan may have") })
    }

    /// A format that every group has; the first group's own if it is one.
    @Test func theFormatIsOneOfAllGroups() throws {
        #expect(try PlanText.read(Self.plan(Self.two)).precision == .bf16)
        let old = Self.two.replacing("a100-80g-sxm, nodes: 4, devicesPerNode: 4", with: "v100-32g-sxm, nodes: 2")
        #expect(try PlanText.read(Self.plan(old)).precision == .fp16)
    }

    /// Each group's nodes limit its own tensor ranks.
    @Test func tensorRanksAcrossNodesAreNamedByGroup() throws {
        let plan = try PlanText.read(Self.plan(Self.two))
        let remarks = plan.remarks.filter { $0.code == .tensorAcrossNodes }
        #expect(remarks.count == 1 && remarks[0].text.contains("of cluster.groups[1]"))
    }

    /// A real run takes the layout and says that groups only price.
    @Test func aRealRunSaysThatGroupsOnlyPrice() throws {
        let text = Self.plan(Self.two) + "train: {data: README.md, steps: 2, learningRate: 1e-3}\n"
        let plan = try PlanText.read(text)
        let (layout, train) = (try #require(plan.layout), try #require(plan.train))
        #expect(plan.remarksOfARun(layout, train).contains { $0.text.contains("cluster.groups price alone") })
    }
}
