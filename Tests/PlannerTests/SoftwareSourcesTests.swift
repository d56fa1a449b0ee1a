import Foundation
import Planner
import Plans
import Reading
import TestSupport
import Testing

/// Framework files say which published runs they have.
@Suite struct SoftwareSourcesTests {
    /// `sources` of every framework file counts the publications with timed runs of that software by device.
    @Test func filesCountTheirPublications() throws {
        let folder = URL(filePath: Checkout.root).appending(path: "plans/published")
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".yaml") }
        var found: [String: [String: Set<String>]] = [:]
        for file in files.sorted() {
            let runs = try PublishedRun.read(path: folder.appending(path: file).path, library: Checkout.library)
            for row in validate(runs).timed {
                guard let plan = row.run.plan, let name = plan.frameworks.named else { continue }
                found[name, default: [:]][Device.family(of: row.run.device), default: []].insert(row.run.source)
            }
        }
        for framework in try Frameworks.read(library: Checkout.library).known.values {
            let counted = found[framework.name, default: [:]].mapValues(\.count)
            #expect(framework.sources == counted, "\(framework.name)")
        }
    }

    /// `assumed` of every framework file lists its fitted constants that the runs of fewer than two publications fix, as
    /// `trainyard frameworks` counts them.
    @Test func filesNameWhatFewRunsFix() throws {
        let folder = URL(filePath: Checkout.root).appending(path: "plans/published")
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".yaml") }
        let frameworks = try Frameworks.read(library: Checkout.library)
        var read = ReadFiles()
        var timed: [(framework: Framework, source: String)] = []
        for file in files.sorted() {
            let runs = try PublishedRun.read(
                path: folder.appending(path: file).path, measured: nil, library: Checkout.library,
                frameworks: frameworks, files: &read)
            for run in runs {
                guard let plan = run.plan, run.seconds != nil else { continue }
                timed.append((plan.framework(for: plan.layout), run.source))
            }
        }
        for framework in frameworks.known.values {
            let few = framework.fitted.keys.filter { constant in
                Set(timed.filter { $0.framework.takes(constant, from: framework.name) }.map(\.source)).count < 2
            }
            #expect(framework.assumed == Set(few), "\(framework.name)")
        }
        #expect(frameworks.known["aleph-alpha-eager"]?.assumedConstants.contains(.hostStep) == true)
        #expect(frameworks.known["megatron-core"]?.assumedConstants.isEmpty == true)
    }

    /// Evidence for a run is what is left when its source, or its device, is left out.
    @Test func evidenceIsWithoutWhatIsLeftOut() throws {
        let runs = try ["megatron-sc21", "vtrain-multi-node", "megatron-2020"].flatMap {
            try PublishedRun.read(path: "\(Checkout.root)/plans/published/\($0).yaml", library: Checkout.library)
        }
        let refit = Refit([(.device("a100"), 0.9)])
        let bySource = leaveOneSourceOut(runs, refit: refit)
        #expect(bySource.evidence.count == bySource.runs.count)
        for (row, sources) in zip(bySource.runs, bySource.evidence) where row.run.device.hasPrefix("v100") {
            #expect(sources == 0)
        }
        #expect(bySource.evidence.contains { $0 > 0 })
        let byDevice = leaveOneSourceOut(runs, by: { Device.family(of: $0.device) }, refit: refit)
        #expect(byDevice.evidence.allSatisfy { $0 == 0 })
        let all = try #require(bySource.coverage.first)
        #expect(bySource.coverage.dropFirst().reduce(0) { $0 + $1.runs } == all.runs)
    }
}
