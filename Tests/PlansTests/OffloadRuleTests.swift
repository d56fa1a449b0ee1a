import Models
import Plans
import Reading
import TestSupport
import Testing

/// `offload` of plans and layouts, and `host` of cluster files.
@Suite struct OffloadRuleTests {
    private func plan(_ layout: String, _ others: String = "", cluster: String = "h100-80g-sxm") -> String {
        """
        model: {family: gpt, layers: 12, hidden: 1024, heads: 16, vocab: 50304, sequence: 1024}
        cluster: \(cluster)
        devices: 8
        batch: 64
        precision: bf16
        \(others)
        layout: \(layout)
        """
    }

    private func read(_ map: String) throws -> Layout.Offload? {
        try PlanText.read(plan("{data: 8, sharding: parameters, offload: \(map)}")).layout?.offload
    }

    @Test func valuesAreFlagsSharesAndCounts() throws {
        #expect(try read("{optimizer: true}") == Layout.Offload(optimizer: 1))
        #expect(try read("{optimizer: 0.25}") == Layout.Offload(optimizer: 0.25))
        #expect(try read("{optimizer: 40 %, overlap: false}") == Layout.Offload(optimizer: 0.4, overlap: false))
        #expect(try read("{optimizer: 0, activations: 3}") == Layout.Offload(activations: .first(3)))
        #expect(try read("{activations: true}") == Layout.Offload(activations: .all))
        // Parameters on the host have their gradients there.
        let whole = Layout.Offload(optimizer: 1, gradients: true, parameters: true)
        #expect(try read("{optimizer: true, parameters: true}") == whole)
        #expect(try read("{optimizer: true, gradients: true}") == Layout.Offload(optimizer: 1, gradients: true))
        // What offloads nothing is nothing.
        #expect(try read("{optimizer: false}") == nil)
    }

    @Test func theWholePlanMaySayIt() throws {
        let stated = try PlanText.read(plan("{data: 8}", "offload: {optimizer: true}"))
        #expect(stated.layout?.offload == Layout.Offload(optimizer: 1) && stated.offload == nil)
        let open = try PlanText.read(plan("auto", "offload: {optimizer: 0.5}"))
        #expect(open.offload == Layout.Offload(optimizer: 0.5) && open.layout == nil)
        #expect(try PlanText.read(plan("auto", "offload: auto")).offloadsIfNeeded)
        // A search of a layout that offloads keeps it.
        #expect(stated.open.offload == Layout.Offload(optimizer: 1))
        for text in [plan("auto", "offload: auto"), plan("auto", "offload: {optimizer: 0.5, activations: true}")] {
            let one = try PlanText.read(text)
            let again = try PlanText.read(one.yaml(library: Checkout.library))
            #expect(again.offload == one.offload && again.offloadsIfNeeded == one.offloadsIfNeeded)
        }
        let written = try PlanText.read(
            plan(
                "{data: 8, sharding: parameters, offload: {optimizer: true, parameters: true, activations: true, overlap: false}}"
            ))
        #expect(try PlanText.read(written.yaml(library: Checkout.library)).layout == written.layout)
    }

    @Test func sayingItTwiceIsRefused() {
        let lines = PlanText.problems(plan("{data: 8, offload: {optimizer: true}}", "offload: {optimizer: true}"))
        #expect(lines.count == 1 && lines[0].contains("offload: layout.offload says it too"), "\(lines)")
    }

    @Test(arguments: [
        ("{optimizer: 1.5}", "layout.offload.optimizer: must be at most 1"),
        ("{optimizer: yes}", "layout.offload.optimizer"), ("{optimizers: true}", "did you mean 'optimizer'"),
        ("{activations: 0}", "layout.offload.activations: must be a whole number from 1"),
        ("{}", "names nothing to offload"),
        ("{overlap: false}", "layout.offload.overlap: says how an optimizer on the host steps, and none is offloaded"),
        ("auto", "layout.offload: auto is a key of the plan, beside layout: auto"),
        ("true", "layout.offload: must be a map"),
        ("{activations: 13}", "counts blocks of a stage, the model has 12"),
        ("{optimizer: 0.5, parameters: true}", "layout.offload.parameters: needs optimizer true"),
        (
            "{optimizer: true, parameters: true, gradients: false}",
            "layout.offload.gradients: the gradients of parameters"
        ),
        (
            "{optimizer: true, parameters: true, activations: 2}",
            "is not priced together with layout.offload.parameters"
        ),
    ])
    func whatCannotBeIsRefused(_ map: String, _ said: String) {
        let lines = PlanText.problems(plan("{data: 8, sharding: parameters, offload: \(map)}"))
        #expect(lines.count == 1 && lines[0].contains(said), "\(lines)")
        #expect(lines[0].contains("plan.yaml:7:"), "\(lines)")
    }

    @Test func shardsAreNeededForWhatIsSharded() {
        for (map, said) in [
            ("{optimizer: true, parameters: true}", "needs sharding parameters"),
            ("{optimizer: true, gradients: true}", "needs sharding gradients or parameters"),
        ] {
            let lines = PlanText.problems(plan("{data: 8, sharding: optimizer, offload: \(map)}"))
            #expect(lines.count == 1 && lines[0].contains(said), "\(lines)")
        }
    }

    /// Each with its place, all at once.
    @Test func everythingThatIsWrongIsSaidAtOnce() {
        let lines = PlanText.problems(
            plan(
                "{data: 8, recompute: full, recomputeLayers: 1, offload: {optimizer: true, parameters: true, activations: true}}",
                "optimizer: {moments: 8bit}", cluster: "laptop"
            ).replacing("precision: bf16", with: "precision: fp32"))
        for said in [
            "layout.offload.parameters: needs sharding parameters",
            "layout.offload.activations: is not priced together with recomputing some blocks",
            "layout.offload: needs a link from the devices to their host, and the cluster laptop states none",
            "add host: {memory: 2 TiB, bandwidth: 614 GB/s, link: 64 GB/s} to the cluster",
            "layout.offload.optimizer: moments in 8bit have no step on a host",
        ] {
            #expect(lines.contains { $0.contains(said) }, "\(said): \(lines)")
        }
        #expect(lines.allSatisfy { $0.contains("plan.yaml:") })
    }

    @Test(arguments: [
        ("optimizer: muon", "{optimizer: true}", "muon has no step on a host"),
        ("optimizer: adafactor", "{optimizer: true}", "adafactor has no step on a host"),
        ("optimizer: {master: remainders}", "{optimizer: true}", "master weights as remainders have no step"),
        ("optimizer: {secondMoment: fp8}", "{optimizer: 0.5}", "moments in fp8 have no step on a host"),
        ("lora: {rank: 8}", "{optimizer: true, parameters: true}", "is not priced together with lora"),
    ])
    func optimizersWithoutAStepOnAHostAreRefused(_ other: String, _ map: String, _ said: String) {
        let sharding = map.contains("parameters") ? "parameters" : "none"
        let lines = PlanText.problems(plan("{data: 8, sharding: \(sharding), offload: \(map)}", other))
        #expect(lines.count == 1 && lines[0].contains(said), "\(lines)")
        if sharding == "none" {
            #expect(PlanText.problems(plan("auto", other + "\noffload: \(map)")).contains { $0.contains(said) })
        }
    }

    @Test func optimizersOfProcessorsAreNot() {
        for choice in ["adamw", "lion", "sgd", "{name: sgd, momentum: false}", "{moments: bf16}", "{master: no}"] {
            #expect(PlanText.problems(plan("{data: 8, offload: {optimizer: true}}", "optimizer: \(choice)")) == [])
        }
    }

    @Test func softwareMayLackIt() throws {
        func remarks(_ framework: String) throws -> [String] {
            try PlanText.read(
                plan(
                    "{data: 8, sharding: gradients, offload: {optimizer: true, gradients: true}}",
                    "framework: \(framework)")
            ).remarks.map(\.text)
        }
        #expect(try remarks("megatron-core").contains { $0.contains("megatron-core does not offload gradients") })
        #expect(try !remarks("deepspeed-2021").contains { $0.contains("does not offload") })
        #expect(try remarks("megatron-2021").contains { $0.contains("does not offload the optimizer") })
    }

    @Test(arguments: [
        ("megatron-core", "lion", "megatron-core does not step lion on the host"),
        ("megatron-core", "sgd", "megatron-core does not step sgd on the host"),
        ("megatron-core", "{moments: bf16}", "megatron-core keeps no moments in bf16 on the host"),
        ("torch-fsdp", "lion", "torch-fsdp does not step lion on the host"),
        ("deepspeed-2021", "sgd", "deepspeed-2021 does not step sgd on the host"),
        // Software without it is said to lack it once.
        ("deepspeed-2021", "lion", "deepspeed-2021 has no optimizer lion"),
        ("deepspeed-2021", "{moments: bf16}", "deepspeed-2021 keeps no moments in bf16"),
        ("megatron-2021", "lion", "megatron-2021 does not offload the optimizer"),
    ])
    func softwareStepsSomeOptimizersOnAHost(_ framework: String, _ optimizer: String, _ said: String) throws {
        func lacks(_ layout: String, _ others: String) throws -> [String] {
            try PlanText.read(plan(layout, "framework: \(framework)\noptimizer: \(optimizer)\n" + others)).remarks
                .filter { $0.code == .softwareLacks }.map(\.text)
        }
        let stated = try lacks("{data: 8, offload: {optimizer: true}}", "")
        #expect(stated.count { $0.hasPrefix(said + ";") } == 1, "\(stated)")
        let ofHost = stated.filter { $0.contains("on the host") || $0.contains("offload") }
        #expect(ofHost.count { !$0.contains("together") } <= 1, "\(stated)")
        // Without offload nothing is stepped there.
        #expect(try !lacks("{data: 8}", "").contains { $0.contains("on the host") })
        // A search says it too, and `auto` does not try it.
        #expect(try lacks("auto", "offload: {optimizer: true}").contains { $0.hasPrefix(said + ";") })
        let open = try PlanText.read(
            plan("auto", "framework: \(framework)\noptimizer: \(optimizer)\noffload: auto"))
        if said.contains("on the host") {
            #expect(open.offloadSteps(anySoftware: false).allSatisfy { $0.optimizer == 0 })
            #expect(open.offloadSteps(anySoftware: true).contains { $0.optimizer == 1 })
        }
    }

    /// PyTorch's CPUOffloadPolicy moves parameters, gradients and optimizer, not one of them alone.
    @Test(arguments: [
        ("gradients", "{optimizer: true, gradients: true}", true), ("parameters", "{optimizer: true}", true),
        ("parameters", "{optimizer: 0.5, activations: true}", true),
        ("parameters", "{optimizer: true, parameters: true}", false), ("none", "{activations: true}", false),
    ])
    func softwareMayOffloadTheStateWhole(_ sharding: String, _ offload: String, _ lacks: Bool) throws {
        func said(_ framework: String) throws -> Bool {
            try PlanText.read(
                plan("{data: 8, sharding: \(sharding), offload: \(offload)}", "framework: \(framework)")
            ).remarks.contains {
                $0.code == .softwareLacks
                    && $0.text.contains("offloads parameters, gradients and the whole optimizer together")
            }
        }
        #expect(try said("torch-fsdp") == lacks)
        #expect(try !said("deepspeed-2021"))
    }

    @Test func abilitiesOfHostsAreRead() throws {
        let folder = try TemporaryFolder()
        let text =
            "extends: megatron-core\nkeepsOffloadedMaster: false\ncan: {hostOptimizers: [adamw, lion], hostMoments: [bf16]}"
        let path = try folder.write(text, as: "own.yaml")
        let own = try Framework.read(path: path, library: Checkout.library)
        #expect(own.abilities.hostOptimizers == [.adamw, .lion] && own.abilities.hostMoments == [.bf16])
        #expect(!own.keepsOffloadedMaster && own.copiesFP32ToHost && !own.addsOffloadedGradients)
        let known = try Frameworks.read(library: Checkout.library).known
        #expect(known["megatron-core"]?.keepsOffloadedMaster == true)
        for (name, copies, adds) in [
            ("megatron-core", true, false), ("torch-fsdp", false, false), ("deepspeed-2021", false, true),
        ] {
            #expect(known[name]?.copiesFP32ToHost == copies && known[name]?.addsOffloadedGradients == adds, "\(name)")
        }
    }

    /// A stated `overlap` stays stated, one that is left out stays open.
    @Test(arguments: ["{data: 8, offload: {optimizer: true}}", "auto"]) func whoSaidOverlap(_ layout: String) throws {
        for (stated, isOpen) in [("", true), (", overlap: true", false), (", overlap: false", false)] {
            let map = "{optimizer: true\(stated)}"
            let text =
                layout == "auto"
                ? plan("auto", "offload: \(map)") : plan("{data: 8, offload: \(map)}")
            let one = try PlanText.read(text)
            #expect(one.openDefaults.contains(.offloadOverlap) == isOpen && !one.openDefaults.contains(.offload))
            let again = try PlanText.read(one.yaml(library: Checkout.library))
            #expect(again.openDefaults.contains(.offloadOverlap) == isOpen)
            #expect(again.offload == one.offload && again.layout?.offload == one.layout?.offload)
        }
    }

    @Test func whatASearchOffloadsInTurn() throws {
        let plan = try PlanText.read(plan("auto", "offload: auto\nframework: torch-fsdp"))
        let steps = plan.offloadSteps(anySoftware: false).map(\.words)
        #expect(
            steps == [
                "activations", "optimizer, gradients, parameters", "optimizer, gradients, parameters, activations",
            ])
        let core = try PlanText.read(self.plan("auto", "offload: auto\nframework: megatron-core"))
        // It offloads activations only without a pipeline and without recomputation, which a search tries.
        #expect(core.offloadSteps(anySoftware: false).map(\.words) == ["optimizer"])
        #expect(core.offloadSteps(anySoftware: true).count == 5)
    }

    // MARK: - Hosts

    @Test func hostsAreReadMergedAndWritten() throws {
        let base = try Cluster.read("h100-80g-sxm", library: Checkout.library)
        #expect(base.host?.memoryBytes == 2e12 && base.host?.linkBytesPerSecond == 64e9)
        let own = try PlanText.read(
            plan("{data: 8}", cluster: "{extends: h100-80g-sxm, host: {memory: 1 TiB, bandwidthEfficiency: 0.6}}")
        ).cluster
        #expect(own.host?.memoryBytes == 1_099_511_627_776 && own.host?.memoryEfficiency == 0.6)
        #expect(own.host?.linkBytesPerSecond == 64e9 && own.host?.linkEfficiency == base.host?.linkEfficiency)
        let folder = try TemporaryFolder()
        let path = try folder.write(own.yaml(), as: "own.yaml")
        #expect(try Cluster.read(path, library: Checkout.library).host == own.host)
    }

    @Test func everyShippedClusterHasAHost() throws {
        for name in ShippedDeviceTests.names {
            let cluster = try Cluster.read(name, library: Checkout.library)
            let host = try #require(cluster.host, "\(name)")
            // A device's link is slower than its memory, and its host has as much memory as it, but for TPUs.
            #expect(host.linkBytesPerSecond < cluster.device.memoryBytesPerSecond / 4, "\(name)")
            #expect(host.linkBytesPerSecond >= 8e9 && host.memoryBytesPerSecond >= 136e9, "\(name)")
            #expect(host.memoryBytes > 0.8 * cluster.device.memoryBytes * Double(cluster.devicesPerNode), "\(name)")
        }
        #expect(try Cluster.read("laptop", library: Checkout.library).host == nil)
    }

    /// Gigabytes a second of a link in one direction, of its specification; GB of memory and GB/s of a node's host.
    @Test(arguments: [
        ("v100-32g-sxm", 8.0, 512.0, 136.0), ("a100-40g-sxm", 16, 1000, 409.6), ("a100-80g-sxm", 16, 2000, 409.6),
        ("h100-80g-sxm", 64, 2000, 614.4), ("h200-141g-sxm", 64, 2000, 614.4), ("b200-sxm", 64, 2000, 716.8),
        ("gb200-nvl72", 225, 960, 768), ("gb300-nvl72", 225, 960, 768), ("mi300x", 64, 1986.4, 614.4),
        ("gaudi2", 16, 1024, 409.6), ("mi325x", 64, 2304, 1152), ("mi350x", 64, 3072, 1152),
        ("b300-sxm", 64, 2000, 819.2),
    ])
    func hostsOfTheirDatasheets(_ name: String, _ link: Double, _ memory: Double, _ bandwidth: Double) throws {
        let host = try #require(try Cluster.read(name, library: Checkout.library).host)
        #expect(host.linkBytesPerSecond == link * 1e9 && host.memoryBytesPerSecond == bandwidth * 1e9)
        #expect(abs(host.memoryBytes / 1e9 - memory) < 0.1)
    }
}
