import Foundation
import TestSupport
import Testing

/// The check of the folders finds what is planted, and nothing else.
@Suite struct PlantedArrowTests {
    /// A small room in which the folder `Till` needs `Shelf` and the room's root needs both.
    static let sound = [
        "Shelf/Goods.swift": """
        struct Goods {
            var price = 1
            struct Label { var text = "" }
        }
        private struct Receipt {}
        """,
        "Shelf/Sorting.swift": """
        extension Goods {
            var isCheap: Bool { price < 2 }
        }
        """,
        "Till/Receipt.swift": """
        protocol Printed {}
        struct Receipt: Printed {
            enum Paper { case thin, thick }
            var goods: [Goods]
            var sum: Int { goods.reduce(0) { $0 + $1.price } }
            var number = 1
        }
        typealias Bill = Receipt
        let currency = "crowns"
        func rounded(total: Int) -> Int { total }
        """,
        "Till/Prices.swift": """
        extension Goods {
            var priceInWords: String { "\\(price) \\(currency)" }
            static var free: Goods { Goods(price: 0) }
            var number: Int { 7 }
        }
        extension Int { func inCrowns() -> String { "\\(self)" } }
        """,
        "Shop.swift": """
        struct Shop {
            var goods: [Goods] = [.free]
            func receipt() -> Receipt { Receipt(goods: goods.filter(\\.isCheap)) }
        }
        """,
    ]

    /// The circles of the room `Shop` made of `files`.
    private func circles(_ files: [String: String]) throws -> [FolderCircle] {
        let folder = try TemporaryFolder()
        let sources = folder.url.appending(path: "Sources")
        for (path, text) in files {
            let file = sources.appending(path: "Shop/\(path)")
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: file)
        }
        return try Room("Shop", in: sources).circles
    }

    /// The sound room with a file in `Shelf` whose third line is `line`.
    private func planted(_ line: String) throws -> [FolderCircle] {
        try circles(
            Self.sound.merging(["Shelf/Planted.swift": "struct Planted {\n    // A line.\n    \(line)\n}\n"]) { $1 })
    }

    @Test func aSoundRoomHasNoCircle() throws { #expect(try circles(Self.sound).map(\.description) == []) }

    @Test(arguments: [
        ("var bill: Receipt?", "Receipt", "Till/Receipt.swift"),
        ("var paper = Receipt.Paper.thin", "Receipt.Paper", "Till/Receipt.swift"),
        ("var bill: Bill?", "Bill", "Till/Receipt.swift"),
        ("func show(_ printed: some Printed) {}", "Printed", "Till/Receipt.swift"),
        ("var money: String { currency }", "currency", "Till/Receipt.swift"),
        ("var words = \"in \\(currency)\"", "currency", "Till/Receipt.swift"),
        ("var words = #\"\"\"\n in \\#(currency)\"\"\"#", "currency", "Till/Receipt.swift"),
        ("var sum: Int { rounded(total: 5) }", "rounded", "Till/Receipt.swift"),
        ("func words(of goods: Goods) -> String { goods.priceInWords }", "Goods.priceInWords", "Till/Prices.swift"),
        ("var all: [Goods] { [.free] }", "Goods.free", "Till/Prices.swift"),
        ("var one = Goods.free", "Goods.free", "Till/Prices.swift"),
        ("var price: String { 5.inCrowns() }", "Int.inCrowns", "Till/Prices.swift"),
        (
            "var tills: [Int] { [1].map { Till(in: $0, for: $0).number(for: Receipt.self, in: 1) } }", "Receipt",
            "Till/Receipt.swift"
        ),
        ("var path = \\Goods.priceInWords", "Goods.priceInWords", "Till/Prices.swift"),
    ])
    func aPlantedArrowIsReportedWithFileLineAndName(line: String, name: String, declaration: String) throws {
        let found = try planted(line)
        try #require(found.count == 1, "\(found)")
        #expect(found[0].folders == "Sources/Shop: Shelf → Till → Shelf")
        #expect(
            found[0].description.contains("Sources/Shop/Shelf/Planted.swift:3 uses \(name) of \(declaration)\n")
                || found[0].description.contains("Sources/Shop/Shelf/Planted.swift:4 uses \(name) of \(declaration)\n"))
        #expect(found[0].description.contains("Sources/Shop/Till/Receipt.swift:4 uses Goods of Shelf/Goods.swift"))
    }

    @Test(arguments: [
        "// as a Receipt", "/* Receipt /* Bill */ currency */", "var text = \"Receipt \\\" currency\"",
        "var text = #\"Receipt \\(currency)\"#", "func f(currency: Int) -> Int { currency }",
        "func f() { let currency = 1; print(currency) }", "var f = { (currency: Int) in currency }",
        "func f(_ many: [Int]) { for currency in many { print(currency) } }",
        "func f(rounded total: Int) -> Int { total }",
        "struct Bill {}; var bill = Bill()", "var currency = 1; var twice: Int { 2 * currency }",
        // Members that more than one type has.
        "func number(of goods: Goods) -> Int { goods.number }", "func count(_ goods: [Goods]) -> Int { goods.count }",
    ])
    func whatIsNoUseIsNotReported(line: String) throws {
        #expect(try planted(line).map(\.description) == [])
    }

    /// The sorting is an extension in the folder of its type.
    @Test func anExtensionBesideItsTypeIsPartOfIt() throws {
        let found = try circles([
            "Shelf/Goods.swift": "struct Goods { var price = 1 }\nlet till = Till()\n",
            "Shelf/Sorting.swift": "extension Goods { var isCheap: Bool { price < 2 } }\n",
            "Till/Till.swift": "struct Till { func takes(_ some: [Int]) -> Bool { some.isCheap } }\n",
        ])
        #expect(found.map(\.description) == [])
    }

    @Test func aPrivateTypeIsItsFilesOwn() throws {
        let found = try circles([
            "Shelf/Goods.swift": "private struct Till {}\nprivate let till = Till()\n",
            "Till/Till.swift": "struct Till { var goods: Goods }\n", "Shelf/Other.swift": "struct Goods {}\n",
        ])
        #expect(found.map(\.description) == [])
    }

    @Test func aCircleOfThreeIsReported() throws {
        let found = try circles([
            "A/A.swift": "struct A { var b: B }\n", "B/B.swift": "struct B { var c: [C] }\n",
            "C/C.swift": "struct C {\n    var a: [A]\n}\n",
        ])
        #expect(found.map(\.folders) == ["Sources/Shop: A → B → C → A"])
        #expect(found.first?.description.contains("Sources/Shop/C/C.swift:2 uses A of A/A.swift") == true)
    }

    /// Files beside the sub-folders are a folder of their own.
    @Test func theRootIsAFolder() throws {
        let found = try circles(["A/A.swift": "struct A { var b: [B] }\n", "B.swift": "struct B { var a: A }\n"])
        #expect(found.map(\.folders) == ["Sources/Shop: (root) → A → (root)"])
    }

    @Test func foldersInFoldersAreRoomsThemselves() throws {
        let found = try circles([
            "Outer/A/A.swift": "struct A { var b: [B] }\n", "Outer/B/B.swift": "struct B { var a: A }\n",
            "Other/C.swift": "struct C { var a: A }\n",
        ])
        #expect(found.map(\.folders) == ["Sources/Shop/Outer: A → B → A"])
    }
}
