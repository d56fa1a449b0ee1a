import Foundation
import Reports
import Testing

@Suite struct LossSVGTests {
    @Test func aPointAStepFromTheHighestToTheLowest() throws {
        let svg = LossSVG.drawing([4, 3, 3.5, 2], title: "a < b")
        #expect(svg.hasPrefix("<svg") && svg.hasSuffix("</svg>\n"))
        #expect(svg.contains("a &lt; b"))
        let points = try #require(svg.firstMatch(of: #/points="([^"]+)"/#)).1.split(separator: " ")
            .map { $0.split(separator: ",").compactMap { Double($0) } }
        #expect(points.count == 4)
        #expect(points.map { $0[0] } == points.map { $0[0] }.sorted())
        // Down is larger: the smallest loss lies lowest.
        #expect(points.map { $0[1] }.min() == points[0][1])
        #expect(points.map { $0[1] }.max() == points[3][1])
    }

    @Test func aValidationIsACurveWithALegend() throws {
        let svg = LossSVG.drawing([4, 3, 3.5, 2], validation: [(1, 4.5), (3, 3), (3, .nan)], title: "t")
        #expect(svg.contains(">training<") && svg.contains(">validation<"))
        #expect(svg.matches(of: #/<circle/#).count == 2 && svg.matches(of: #/<polyline/#).count == 2)
        #expect(!svg.contains("nan"))
        #expect(!LossSVG.drawing([4, 3], title: "t").contains("training"))
    }

    @Test(arguments: [[], [1.0], [.nan, .infinity], [2, .nan, 1]]) func whatCannotBeDrawnIsLeftOut(losses: [Double]) {
        let svg = LossSVG.drawing(losses, title: "t")
        #expect(!svg.contains("nan") && !svg.contains("inf"))
    }
}
