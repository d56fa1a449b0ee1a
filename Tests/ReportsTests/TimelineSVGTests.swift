import Foundation
import FoundationXML
import Reports
import Schedules
import Testing

@Suite struct TimelineSVGTests {
    /// Reads a drawing with an XML parser and keeps what the tests ask about.
    private final class Drawing: NSObject, XMLParserDelegate {
        struct Element {
            var name: String
            var attributes: [String: String]
            var text = ""

            func number(_ attribute: String) -> Double { attributes[attribute].flatMap(Double.init) ?? .nan }
            var css: String { attributes["class"] ?? "" }
        }

        var elements: [Element] = []
        private var open: [Int] = []

        init(_ svg: String) throws {
            super.init()
            let parser = XMLParser(data: Data(svg.utf8))
            parser.delegate = self
            #expect(parser.parse(), "not well-formed: \(String(describing: parser.parserError))")
        }

        func parser(
            _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
            attributes: [String: String]
        ) {
            open.append(elements.count)
            elements.append(Element(name: name, attributes: attributes))
        }

        func parser(_ parser: XMLParser, foundCharacters string: String) {
            if let last = open.last { elements[last].text += string }
        }

        func parser(_ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?) {
            open.removeLast()
        }

        func boxes(_ css: String) -> [Element] { elements.filter { $0.name == "rect" && $0.css == css } }
        var texts: [String] { elements.filter { $0.name == "text" }.map(\.text) }
    }

    @Test func boxesStandWhereTheActionsAre() throws {
        let drawing = try Drawing(TimelineSVG(width: 1000, unit: .steps).drawing(of: TimelineSamples.small))
        // Four each, and one in the legend.
        let (forwards, backwards) = (drawing.boxes("f0"), drawing.boxes("b0"))
        #expect(forwards.count == 5 && backwards.count == 5)
        let left = forwards[0].number("x")
        let scale = (1000 - 12 - left) / 9
        for (box, start) in zip(forwards, [0.0, 1, 1, 4]) {
            #expect(abs(box.number("x") - (left + start * scale)) < 0.02)
            #expect(abs(box.number("width") - scale) < 1)
        }
        for (box, start) in zip(backwards, [4.0, 7, 2, 5]) {
            #expect(abs(box.number("x") - (left + start * scale)) < 0.02)
            #expect(abs(box.number("width") - 2 * scale) < 1)
        }
        #expect(forwards[0].number("y") < forwards[2].number("y"))
    }

    @Test func figuresLegendAndNumbers() throws {
        let drawing = try Drawing(TimelineSVG(unit: .steps).drawing(of: TimelineSamples.small))
        #expect(drawing.texts.contains { $0.contains("makespan 9 · bubble 33.3 %") })
        for name in ["forward", "backward", "idle", "rank 0", "rank 1"] { #expect(drawing.texts.contains(name)) }
        #expect(!drawing.texts.contains("communication"))
        #expect(drawing.elements.filter { $0.css.hasPrefix("n11") && $0.text == "1" }.count == 4)
    }

    @Test func twoTimelinesShareOneAxis() throws {
        let svg = TimelineSVG(unit: .seconds).drawing(of: [TimelineSamples.small, TimelineSamples.measured])
        let drawing = try Drawing(svg)
        #expect(drawing.texts.contains("1f1b <measured> & \"aligned\""))
        #expect(drawing.texts.contains("communication") && drawing.texts.contains("optimizer"))
        // The four forwards of each are equally wide, and the measured ones begin at 0 again.
        let forwards = drawing.boxes("f0").prefix(8)
        #expect(forwards.count == 8 && Set(forwards.map { $0.number("width") }).count == 1)
        #expect(forwards[0].number("x") == forwards[4].number("x"))
        let width = try #require(drawing.elements.first).number("width")
        for box in drawing.elements where box.name == "rect" {
            #expect(box.number("x") >= 0 && box.number("x") + box.number("width") <= width)
        }
    }

    @Test func actionsBelowAPixelAreDrawnTogether() throws {
        let svg = TimelineSVG(unit: .steps).drawing(of: TimelineSamples.dense)
        #expect(svg.utf8.count < 20_000)
        let drawing = try Drawing(svg)
        #expect(drawing.texts.contains("forwards and backwards"))
        #expect(!drawing.texts.contains("numbers: micro-batches"))
    }

    @Test func sixteenRanksCarryTheirNumbers() throws {
        let timeline = Timeline(
            name: "wide", ranks: [[Timeline.Span]](repeating: TimelineSamples.alternating(64), count: 16))
        let drawing = try Drawing(TimelineSVG(unit: .steps).drawing(of: timeline))
        #expect(drawing.texts.filter { $0 == "63" }.count >= 16)
    }
}
