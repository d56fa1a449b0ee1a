internal import Foundation
package import Plans
extension Plan { package static func read(path: String) throws -> Plan { try JSONDecoder().decode(Plan.self, from: Data(contentsOf: URL(fileURLWithPath: path))) } }
extension Model { package func modelFLOPs(sequences: Double) -> Double { 1 } }
