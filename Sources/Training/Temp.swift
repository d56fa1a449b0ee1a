package import Plans
package import Schedules
package struct RankGrid {
    package struct Coordinates { package var pipeline = 0; package var data = 0; package init(pipeline: Int = 0, data: Int = 0) { self.pipeline = pipeline; self.data = data } }
    let layout: Layout
    package init(layout: Layout) { self.layout = layout }
    package func coordinates(of rank: Int) -> Coordinates { Coordinates(pipeline: rank / layout.data, data: rank % layout.data) }
    package func rank(of c: Coordinates) -> Int { c.pipeline * layout.data + c.data }
}
extension StagePartition {
    package init(model: Model, layout: Layout) throws {
        let n = layout.stages
        var ranges: [Range<Int>] = []; var at = 0
        for i in 0..<n { let c = layout.layersPerStage?[i] ?? (model.layers / n + (i < model.layers % n ? 1 : 0)); ranges.append(at..<at + c); at += c }
        self.init(layers: ranges)
    }
}
internal import Foundation
package struct PlanProblems: Error {}
extension Plan { package static func read(path: String) throws -> Plan { try JSONDecoder().decode(Plan.self, from: Data(contentsOf: URL(fileURLWithPath: path))) } }
extension Model { package func modelFLOPs(sequences: Double) -> Double { 1 } }
extension Timeline { package func chromeTrace() -> String { "" } }
