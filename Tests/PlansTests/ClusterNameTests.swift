import Foundation
import Reading
import TestSupport
import Testing

import Plans

/// The names that people give devices, and the cluster files they mean.
@Suite struct ClusterNameTests {
    private func read(_ name: String, library: Library = Checkout.library) throws -> (name: String, remarks: [Remark]) {
        var files = ReadFiles()
        var remarks: [Remark] = []
        let cluster = try Cluster.read(name, library: library, files: &files, remarks: &remarks)
        return (cluster.name, remarks)
    }

    @Test(arguments: [
        ("H100", "h100-80g-sxm"), ("h100", "h100-80g-sxm"), ("H100-SXM", "h100-80g-sxm"), ("h100 sxm5", "h100-80g-sxm"),
        ("NVIDIA H100", "h100-80g-sxm"), ("NVIDIA H100 80GB HBM3", "h100-80g-sxm"), ("H100-80GB", "h100-80g-sxm"),
        ("NVIDIA H100 Tensor Core GPU", "h100-80g-sxm"), ("h100_80g_sxm", "h100-80g-sxm"), ("h100sxm", "h100-80g-sxm"),
        ("H200", "h200-141g-sxm"), ("H800", "h800-80g-sxm"), ("H20", "h20-96g-sxm"), ("V100", "v100-32g-sxm"),
        ("Tesla V100", "v100-32g-sxm"), ("NVIDIA A100-SXM4-80GB", "a100-80g-sxm"), ("A100 40GB", "a100-40g-sxm"),
        ("A100-PCIe", "a100-80g-pcie"), ("NVIDIA A100 80GB PCIe", "a100-80g-pcie"), ("B200", "b200-sxm"),
        ("b300", "b300-sxm"), ("NVIDIA B300 SXM6 AC", "b300-sxm"), ("DGX B300", "b300-sxm"), ("GB200", "gb200-nvl72"),
        ("GB200 NVL72", "gb200-nvl72"), ("gb300", "gb300-nvl72"), ("MI300X", "mi300x"),
        ("AMD Instinct MI325X", "mi325x"),
        ("mi350", "mi350x"), ("mi355x", "mi355x"), ("MI355", "mi355x"), ("Gaudi 2", "gaudi2"),
        ("Intel Gaudi3", "gaudi3"), ("gaudi-3", "gaudi3"), ("TPU v4", "tpu-v4"), ("v5e", "tpu-v5e"),
        ("TPU v5p", "tpu-v5p"), ("Google Cloud TPU v5p", "tpu-v5p"), ("tpuv6e", "tpu-v6e"), ("Trillium", "tpu-v6e"),
        ("Trainium2", "trainium2"), ("AWS Trainium 2", "trainium2"), ("trn2.48xlarge", "trainium2"),
        ("trn2u", "trainium2-ultra"), ("Trainium2 Ultra", "trainium2-ultra"), ("Trn2 UltraServer", "trainium2-ultra"),
        ("910C", "ascend-910c"), ("Ascend 910B", "ascend-910b"), ("CloudMatrix384", "ascend-910c"), ("L40S", "l40s"),
        ("4090", "rtx-4090"), ("RTX 4090", "rtx-4090"), ("NVIDIA GeForce RTX 4090", "rtx-4090"),
        ("rtx5090", "rtx-5090"),
        ("A6000", "rtx-a6000"), ("NVIDIA RTX A6000", "rtx-a6000"), ("RTX 6000 Ada", "rtx-6000-ada"),
        ("NVIDIA RTX 6000 Ada Generation", "rtx-6000-ada"), ("A6000 Ada", "rtx-6000-ada"),
    ])
    func aDevicesNameMeansItsCluster(_ name: String, _ file: String) throws {
        let found = try read(name)
        #expect(found.name == file && found.remarks.isEmpty, "\(found)")
    }

    @Test(arguments: [
        ("A100", "a100-80g-sxm", "A100 is taken as a100-80g-sxm; there are a100-40g-sxm and a100-80g-pcie too"),
        ("nvidia a100", "a100-80g-sxm", "there are a100-40g-sxm and a100-80g-pcie too"),
        ("A100 80GB", "a100-80g-sxm", "there is a100-80g-pcie too"),
        ("A100-SXM", "a100-80g-sxm", "there is a100-40g-sxm too"),
    ])
    func theUsualOneIsTaken(_ name: String, _ file: String, _ said: String) throws {
        let found = try read(name)
        #expect(found.name == file)
        #expect(found.remarks.map(\.code) == [.clusterChosen])
        #expect(found.remarks.first?.text.hasSuffix(said) == true, "\(found)")
    }

    @Test(arguments: [
        ("TPU", "did you mean 'tpu-v4', 'tpu-v5e', 'tpu-v5p' or 'tpu-v6e'?"),
        ("Gaudi", "did you mean 'gaudi2' or 'gaudi3'?"),
        ("Ascend 910", "did you mean 'ascend-910b' or 'ascend-910c'?"),
        ("nvl72", "did you mean 'gb200-nvl72' or 'gb300-nvl72'?"),
        ("H100 PCIe", "did you mean 'h100-80g-sxm'?"), ("H100 NVL", "did you mean 'h100-80g-sxm'?"),
        ("H1O0", "did you mean 'h100-80g-sxm'?"), ("mi355z", "did you mean 'mi355x'?"), ("L40", "did you mean 'l40s'?"),
        ("B100", "did you mean 'b200-sxm' or 'b300-sxm'?"), ("h100-80g-smx", "did you mean 'h100-80g-sxm'?"),
        ("a100-80g-smx", "did you mean 'a100-80g-sxm'?"), ("Gaudi 4", "did you mean 'gaudi2' or 'gaudi3'?"),
        ("RTX", "did you mean 'rtx-4090', 'rtx-5090', 'rtx-6000-ada' or 'rtx-a6000'?"),
        ("sxm", "`trainyard gpus` lists them"), ("nonsense", "`trainyard gpus` lists them"),
        ("NVIDIA", "`trainyard gpus` lists them"), ("", "`trainyard gpus` lists them"),
        ("-", "`trainyard gpus` lists them"),
        ("h100.yaml", "no such file (found 'h100.yaml')"), ("🚂", "`trainyard gpus` lists them"),
    ])
    func otherNamesAreRefused(_ name: String, _ said: String) {
        let error = #expect(throws: PlanProblems.self) { try Cluster.read(name, library: Checkout.library) }
        #expect(error?.description.hasSuffix(said) == true, "\(String(describing: error))")
    }

    @Test func plansNameDevices() throws {
        func plan(_ cluster: String) throws -> Plan {
            try PlanText.read(BadPlan.good.replacing("cluster: a100-80g-sxm", with: "cluster: \(cluster)"))
        }
        #expect(try plan("H100").cluster.name == "h100-80g-sxm")
        #expect(try plan("NVIDIA GeForce RTX 4090").cluster.name == "rtx-4090")
        let chosen = try plan("A100")
        #expect(chosen.cluster.name == "a100-80g-sxm" && chosen.remarks.filter { $0.code == .clusterChosen }.count == 1)
        let changed = try plan("{extends: A100, nicGbps: 100}")
        #expect(changed.cluster.name == "a100-80g-sxm (nicGbps 100)")
        #expect(changed.remarks.filter { $0.code == .clusterChosen }.count == 1)
        let question = try Plan.question(
            parameters: 8e9, modelName: nil, tokens: 1e12, gpu: "A100", gpus: 64, library: Checkout.library)
        #expect(question.remarks.map(\.code) == [.clusterChosen])
    }

    /// Files of one's own are found by the same rules; the name of a file comes first, and a broken file breaks nothing.
    @Test func filesOfOnesOwnHaveNamesToo() throws {
        let folder = try TemporaryFolder()
        try FileManager.default.createDirectory(atPath: folder["cluster"], withIntermediateDirectories: true)
        try folder.write("extends: l40s\naliases: [the big one]\n", as: "cluster/mine-77.yaml")
        try folder.write("extends: l40s\naliases: [h100]\n", as: "cluster/other.yaml")
        try folder.write("][", as: "cluster/broken-66.yaml")
        let library = Library(folders: [folder.path] + Checkout.library.folders)
        #expect(try read("77", library: library).name == "mine-77")
        #expect(try read("The Big One", library: library).name == "mine-77")
        // Two files claim the name.
        #expect(throws: PlanProblems.self) { try read("H100", library: library) }
        #expect(throws: PlanProblems.self) { try read("66", library: library) }
        try folder.write("extends: l40s\n", as: "cluster/H100.yaml")
        #expect(try read("H100", library: library).name == "H100")
        for wrong in ["aliases: a", "aliases: [[a]]", "aliases: ['']", "aliases: {a: b}"] {
            let path = try folder.write("extends: l40s\n\(wrong)\n", as: "wrong.yaml")
            #expect(throws: PlanProblems.self) { try read(path, library: library) }
        }
    }
}
