internal import Foundation
internal import Numbers
package import Schedules

/// Timelines drawn as SVG: a row for each rank, time from left to right.
///
/// An action is a box with its micro-batch where that fits, communication a thin line under the boxes, waiting is grey.
/// The background is transparent; the grey of text and grid can be read on light and on dark pages.
package struct TimelineSVG {
    /// Width of the drawing in pixels; nil: 1400, or up to 2000 where the numbers then fit into the boxes.
    package var width: Double?
    package var unit: TimelineUnit

    package init(width: Double? = nil, unit: TimelineUnit = .seconds) {
        self.width = width
        self.unit = unit
    }

    /// A drawing of one timeline with its figures and a legend.
    package func drawing(of timeline: Timeline) -> String { drawing(of: [timeline]) }

    /// A drawing of several timelines under each other on one time axis, for example predicted above measured.
    package func drawing(of timelines: [Timeline]) -> String {
        let axis = TimelineAxis(timelines, unit: unit)
        let layout = Layout(width: width, timelines: timelines, length: axis.length)
        let width = layout.width
        var writer = SVGWriter()
        writer.line(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"\(SVGWriter.number(width))\""
                + " height=\"\(SVGWriter.number(layout.height))\""
                + " viewBox=\"0 0 \(SVGWriter.number(width)) \(SVGWriter.number(layout.height))\">")
        let names = timelines.map(\.name).joined(separator: " and ")
        writer.line("<title>\(SVGWriter.escape("Pipeline timeline of \(names)"))</title>")
        // Colours of passes that hardly any pipeline has.
        let dividesVocabulary = timelines.contains { timeline in
            timeline.ranks.contains { $0.contains { $0.action?.kind.isOfVocabulary == true } }
        }
        writer.line(
            Self.style(Self.colours + (dividesVocabulary ? Self.vocabularyColours : []), shades: layout.shades))
        drawGrid(timelines, axis, layout, &writer)
        var top = layout.margin
        var shown: Set<TimelineCategory> = [.idle]
        for (timeline, origin) in zip(timelines, axis.origins) {
            shown.formUnion(draw(timeline, origin: origin, axis: axis, top: top, layout, &writer))
            top += layout.height(of: timeline)
        }
        drawLegend(shown, layout, &writer)
        writer.line("</svg>")
        return writer.text
    }

    /// Positions and sizes of the drawing's parts, in pixels.
    private struct Layout {
        let width: Double
        let margin = 12.0
        let labels = 64.0
        let title = 44.0
        let gap = 18.0
        let footer = 54.0
        /// Heights of a row, of its boxes and of its line of communication.
        let row: Double
        let box: Double
        let strip: Double
        let height: Double
        /// Pixels for a unit of time.
        let scale: Double
        /// Number of shades in which a rank's stages are drawn.
        let shades: Int
        let ranks: Int
        /// Whether at least the longest action is wide enough for its micro-batch's number.
        let carriesNumbers: Bool

        var left: Double { margin + labels }
        var plot: Double { width - left - margin }
        var bottom: Double { height - footer }

        init(width: Double?, timelines: [Timeline], length: Double) {
            let needed = Self.pixelsForNumbers(timelines, length: length).rounded(.up) + 2 * margin + labels
            let width = width ?? (needed > 2000 ? 1400 : max(1400, needed))
            self.width = width
            carriesNumbers = needed <= width
            ranks = timelines.lazy.map(\.ranks.count).max() ?? 0
            row = ranks <= 8 ? 30 : ranks <= 16 ? 24 : ranks <= 64 ? 14 : 8
            strip = ranks <= 16 ? 4 : 2
            box = row - strip - (ranks <= 16 ? 3 : 1)
            scale = length > 0 ? (width - 2 * margin - labels) / length : 0
            shades = min(4, timelines.lazy.map(Self.stagesOfARank).max() ?? 1)
            height =
                margin + footer
                + timelines.map { [title, row, gap] in title + Double($0.ranks.count) * row + gap }.reduce(0, +)
        }

        /// The length of the time axis in pixels at which the longest action has room for its number.
        private static func pixelsForNumbers(_ timelines: [Timeline], length: Double) -> Double {
            let longest =
                timelines.lazy.flatMap(\.ranks).joined().filter { $0.activity == .compute }.map(\.duration).max() ?? 0
            guard longest > 0, let size = fontSizes.last else { return .infinity }
            return labelWidth(Double(timelines.lazy.map(labelLength).max() ?? 1), size: size) / longest * length
        }

        func height(of timeline: Timeline) -> Double { title + Double(timeline.ranks.count) * row + gap }

        private static func stagesOfARank(_ timeline: Timeline) -> Int {
            Set(timeline.ranks.first?.compactMap { $0.action?.kind == .forward ? $0.action?.stage : nil } ?? []).count
        }
    }

    /// Draws a line for each tick through all rows, with the times under the last row.
    private func drawGrid(
        _ timelines: [Timeline], _ axis: TimelineAxis, _ layout: Layout, _ writer: inout SVGWriter
    ) {
        for tick in axis.ticks(atMost: Int(saturating: layout.plot / 110)) {
            let x = SVGWriter.number(layout.left + tick * layout.scale)
            var top = layout.margin
            var path = ""
            for timeline in timelines {
                let rows = layout.title + Double(timeline.ranks.count) * layout.row
                path += "M\(x) \(SVGWriter.number(top + layout.title - 4))V\(SVGWriter.number(top + rows + 2))"
                top += layout.height(of: timeline)
            }
            writer.line("<path d=\"\(path)\" class=\"grid\"/>")
            writer.text(
                axis.text(tick), x: layout.left + tick * layout.scale, y: layout.bottom + 4,
                css: tick == 0 ? "note" : "note mid")
        }
    }

    /// Draws one timeline.
    /// - Returns: the categories it shows.
    private func draw(
        _ timeline: Timeline, origin: Double, axis: TimelineAxis, top: Double, _ layout: Layout,
        _ writer: inout SVGWriter
    ) -> Set<TimelineCategory> {
        var shown: Set<TimelineCategory> = []
        let digits = Self.labelLength(timeline)
        let summary = TimelineSummary(timeline, axis: axis)
        writer.text(timeline.name, x: layout.margin, y: top + 14, css: "name")
        let notes = summary.lines + (timeline.placesInWords.map { [$0] } ?? [])
        writer.text(notes.joined(separator: " · "), x: layout.margin, y: top + 32, css: "note")
        for (rank, spans) in timeline.ranks.enumerated() {
            let y = top + layout.title + Double(rank) * layout.row
            if layout.row >= 12 || rank % 8 == 0 {
                writer.text("rank \(rank)", x: layout.left - 8, y: y + layout.box / 2 + 4, css: "note end")
            }
            writer.rect(x: layout.left, y: y, width: timeline.duration * layout.scale, height: layout.box, css: "idle")
            let work = spans.filter { TimelineCategory($0).isWork }
            let pixels = work.lazy.map { $0.duration * layout.scale }.filter { $0 > 0 }.min() ?? 0
            if pixels >= 0.75 {
                for span in work {
                    box(span, rank: rank, origin: origin, y: y, digits: digits, axis, layout, &writer)
                    shown.insert(TimelineCategory(span))
                }
            } else {
                shown.formUnion(runs(work, origin: origin, y: y, layout, &writer))
            }
            if spans.contains(where: { TimelineCategory($0) == .communication }) {
                communication(spans, origin: origin, y: y + layout.box, layout, &writer)
                shown.insert(.communication)
            }
        }
        return shown
    }

    /// Digits of the largest micro-batch number. All boxes of one width then carry their number or none does.
    private static func labelLength(_ timeline: Timeline) -> Int {
        let actions = timeline.ranks.lazy.joined().compactMap(\.action)
        let most = actions.lazy.map { max($0.microbatch, $0.partnerMicrobatch) }.max() ?? 0
        return String(most).count
    }

    private func box(
        _ span: Timeline.Span, rank: Int, origin: Double, y: Double, digits: Int, _ axis: TimelineAxis,
        _ layout: Layout,
        _ writer: inout SVGWriter
    ) {
        let x = layout.left + (span.start - origin) * layout.scale
        let width = span.duration * layout.scale
        let category = TimelineCategory(span)
        let shade = span.action.map { Self.shade(stage: Int($0.stage), rank: rank, layout) } ?? 0
        let what = span.action.map { "\($0) " } ?? ""
        let title =
            "\(what)\(category.name): \(axis.text(span.start - origin)) to \(axis.text(span.end - origin))"
        // A small gap keeps neighbouring boxes apart.
        let gap = width > 4 ? 0.6 : width > 1.5 ? 0.25 : 0
        writer.rect(
            x: x, y: y, width: max(0.3, width - gap), height: layout.box, css: "\(Self.css(category))\(shade)",
            radius: width > 14 ? 2 : 0, title: title)
        guard let action = span.action, category != .optimizer else { return }
        let label = action.kind == .fused ? "\(action.microbatch)/\(action.partnerMicrobatch)" : "\(action.microbatch)"
        let length = Double(action.kind == .fused ? 2 * digits + 1 : digits)
        guard let size = Self.fontSizes.first(where: { Self.labelWidth(length, size: $0) <= width && $0 < layout.box })
        else { return }
        writer.text(
            label, x: x + (width - gap) / 2, y: y + layout.box / 2 + size * 0.36,
            css: "n\(Int(size)) \(Self.textIsDark(category, shade: shade) ? "dark" : "light")")
    }

    /// The shade of a stage: a rank's first stage is darkest. A stage without the rank's own number belongs to the
    /// other direction of a bidirectional schedule.
    private static func shade(stage: Int, rank: Int, _ layout: Layout) -> Int {
        let turn = stage / max(1, layout.ranks)
        return (turn == 0 && stage != rank ? 1 : turn) % layout.shades
    }

    /// Font sizes of the numbers in boxes; the largest that fits is taken.
    private static let fontSizes = [11.0, 9, 7]

    /// Width in pixels of a number with its margin.
    private static func labelWidth(_ digits: Double, size: Double) -> Double { digits * size * 0.64 + 1.5 }

    /// Draws a row whose actions are thinner than a pixel: a box for each run of pixels of one category.
    private func runs(
        _ spans: [Timeline.Span], origin: Double, y: Double, _ layout: Layout, _ writer: inout SVGWriter
    ) -> Set<TimelineCategory> {
        let bins = TimelineBins(spans, origin: origin, column: 1 / layout.scale, count: Int(saturating: layout.plot))
        for run in bins.runs where run.category != .idle {
            writer.rect(
                x: layout.left + Double(run.columns.lowerBound), y: y, width: Double(run.columns.count),
                height: layout.box, css: "\(Self.css(run.category))0")
        }
        return Set(bins.columns)
    }

    /// Draws all transfers of a rank as one path. Transfers that overlap or nearly touch are one segment.
    private func communication(
        _ spans: [Timeline.Span], origin: Double, y: Double, _ layout: Layout, _ writer: inout SVGWriter
    ) {
        var path = ""
        var open: ClosedRange<Double>?
        func close() {
            guard let segment = open else { return }
            let width = max(0.5, segment.upperBound - segment.lowerBound)
            path +=
                "M\(SVGWriter.number(segment.lowerBound)) \(SVGWriter.number(y + 0.5))h\(SVGWriter.number(width))"
        }
        for span in spans where TimelineCategory(span) == .communication {
            let start = layout.left + (span.start - origin) * layout.scale
            let end = layout.left + (span.end - origin) * layout.scale
            if let segment = open, start <= segment.upperBound + 0.3 {
                open = segment.lowerBound...max(segment.upperBound, end)
            } else {
                close()
                open = start...max(start, end)
            }
        }
        close()
        guard !path.isEmpty else { return }
        // The stroke hangs below y.
        writer.line(
            "<path d=\"\(path)\" class=\"comm\" transform=\"translate(0 \(SVGWriter.number(layout.strip / 2)))\""
                + " stroke-width=\"\(SVGWriter.number(layout.strip - 1))\"/>")
    }

    private func drawLegend(_ shown: Set<TimelineCategory>, _ layout: Layout, _ writer: inout SVGWriter) {
        var x = layout.left
        let y = layout.height - layout.margin - 10
        for category in TimelineCategory.allCases where shown.contains(category) {
            let isStrip = category == .communication
            let css = category == .idle ? "idle" : isStrip ? "commbox" : "\(Self.css(category))0"
            writer.rect(x: x, y: y + (isStrip ? 4 : 0), width: 16, height: isStrip ? 4 : 12, css: css, radius: 2)
            writer.text(category.name, x: x + 22, y: y + 10, css: "note")
            x += 22 + Double(category.name.count) * 7 + 22
        }
        if layout.shades > 1 {
            writer.text("lighter: the rank's other stages", x: x, y: y + 10, css: "note")
            x += 230
        }
        if layout.carriesNumbers {
            writer.text("numbers: micro-batches", x: x, y: y + 10, css: "note")
        }
    }

    private static func css(_ category: TimelineCategory) -> String {
        switch category {
        case .forward: "f"
        case .backward: "b"
        case .backwardInput: "i"
        case .backwardWeight: "w"
        case .fused: "o"
        case .softmax: "s"
        case .outputGradient: "t"
        case .mixed: "m"
        case .optimizer: "u"
        case .communication: "c"
        case .idle: "idle"
        }
    }

    private typealias Colour = (css: String, red: Int, green: Int, blue: Int)

    /// Base colours that most colour-blind people can tell apart: blue forward, green backward, amber weight gradient,
    /// red optimizer.
    private static let colours: [Colour] = [
        ("f", 47, 111, 208), ("b", 22, 138, 100), ("i", 112, 168, 62), ("w", 224, 164, 32), ("o", 16, 126, 160),
        ("m", 34, 124, 154), ("u", 194, 57, 84),
    ]

    /// The output layer in parts: orange S, brown T.
    private static let vocabularyColours: [Colour] = [("s", 214, 126, 58), ("t", 158, 82, 22)]

    private static func textIsDark(_ category: TimelineCategory, shade: Int) -> Bool {
        shade > 0 || category == .backwardWeight || category == .backwardInput || category == .softmax
    }

    private static func style(_ colours: [Colour], shades: Int) -> String {
        var rules: [String] = []
        for (css, red, green, blue) in colours {
            for shade in 0..<max(1, shades) {
                // Later shades are mixed with white so far that they carry dark text.
                let light = shade == 0 ? 0 : 0.3 + 0.35 * Double(shade - 1) / Double(max(1, shades - 2))
                let channels = [red, green, blue].map { Int((Double($0) + (255 - Double($0)) * light).rounded()) }
                rules.append(".\(css)\(shade){fill:rgb(\(channels.map(String.init).joined(separator: ",")))}")
            }
        }
        return """
            <style>
            text{font-family:system-ui,-apple-system,"Segoe UI","DejaVu Sans",Helvetica,sans-serif;fill:#7d8590}
            .name{font-size:15px;font-weight:600}.note{font-size:12px}.end{text-anchor:end}.mid{text-anchor:middle}
            .n11,.n9,.n7{font-size:11px;text-anchor:middle}.n9{font-size:9px}.n7{font-size:7.5px}.light{fill:#fff}.dark{fill:#10202c}
            .idle{fill:#7d8590;fill-opacity:.16}.grid{fill:none;stroke:#7d8590;stroke-opacity:.35;stroke-width:1}
            .comm{stroke:#9a4fd0;fill:none}.commbox{fill:#9a4fd0}
            \(rules.joined(separator: "\n"))
            </style>
            """
    }
}
