import Costs
import Foundation
import FoundationXML
import Planner
import Plans
import TestSupport
import Testing

import Reports

@Suite struct ValidationReportTests {
    private func validation() throws -> Validation {
        try validate(
            ["bloom-tuning", "whole-runs"].flatMap {
                try PublishedRun.read(
                    path: "\(Checkout.root)/plans/published/\($0).yaml", library: Checkout.library)
            })
    }

    @Test func tablesHoldEveryRow() throws {
        let validation = try validation()
        let text = ValidationReport(validation).text()
        for title in ["Iteration time by source", "Memory of the fullest device", "Furthest off", "Not priced"] {
            #expect(text.contains(title))
        }
        #expect(text.split(separator: "\n").contains { $0.hasPrefix("  all ") && $0.hasSuffix("  6                5") })
        let markdown = ValidationReport(validation).markdown()
        let widths = markdown.split(separator: "\n").filter { $0.hasPrefix("|") }
            .map { $0.count { $0 == "|" } }
        #expect(widths.allSatisfy { $0 >= 3 })
        #expect(markdown.contains("| --- | ---: |"))
    }

    @Test func jsonHasEveryRun() throws {
        let validation = try validation()
        let data = Data(try ValidationReport(validation).json().utf8)
        let document = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        let rows = try #require(document["runs"] as? [[String: Any]])
        #expect(rows.count == validation.runs.count)
        let timed = rows.filter { $0["error"] != nil }
        #expect(timed.count == validation.timed.count)
        for row in timed {
            let measured = try #require(row["measuredSeconds"] as? Double)
            let predicted = try #require(row["predictedSeconds"] as? Double)
            #expect(abs((row["error"] as? Double ?? .nan) - (predicted / measured - 1)) < 1e-12)
        }
    }

    @Test func theScatterHasAPointARun() throws {
        let validation = try validation()
        let svg = ValidationSVG(validation).text()
        #expect(svg.components(separatedBy: "fill-opacity").count - 1 == validation.timed.count)
        #expect(XMLParser(data: Data(svg.utf8)).parse())
    }
}
