internal import Foundation
internal import Reading

/// What `trainyard_config.py` states beside the flags, in its map `PLAN`.
struct TorchtitanModule {
    var shape: TorchtitanImport.Shape
    /// Blocks of every stage.
    var stages: [Int]?
    var values: [String: JSONValue]

    static let name = "trainyard_config"

    /// The map of a module's text; nil: it has none.
    init?(text: String) {
        guard let start = text.range(of: "PLAN = json.loads(\"\"\"")?.upperBound,
            let end = text.range(of: "\"\"\")", range: start..<text.endIndex)?.lowerBound,
            let values = JSONValue(text: Data(text[start..<end].utf8))?.map, let model = values["model"]
        else { return nil }
        self.values = values
        shape = TorchtitanImport.Shape(value: model, origin: nil)
        stages = values["stages"]?.list?.compactMap(\.count)
    }
}

extension TorchtitanImport {
    /// The module of an exported plan, beside the file of its flags; nil: the flags name another module.
    static func ownModule(
        _ arguments: TorchtitanArguments, path: String, request: ImportRequest
    ) throws(PlanProblems) -> TorchtitanModule? {
        guard arguments.isFlags, request.model == nil, let setting = arguments.module,
            setting.value == .word(TorchtitanModule.name)
        else { return nil }
        let folder = (path as NSString).deletingLastPathComponent
        let file = (folder.isEmpty ? "." : folder) + "/\(TorchtitanModule.name).py"
        let problem = PlanProblem(
            file: path, line: setting.line, column: setting.column, field: "--module",
            value: "'\(TorchtitanModule.name)'",
            rule: "names the module that trainyard writes, and \(TorchtitanModule.name).py beside this file is not one",
            fix: "put it beside the arguments, or say the model with --model")
        guard FileManager.default.fileExists(atPath: file),
            let module = TorchtitanModule(text: try YAMLFile.text(path: file))
        else { throw PlanProblems([problem]) }
        return module
    }
}

extension PlanDraft {
    /// Sets what the module states: the loss, the optimizer's groups and the formats of products.
    mutating func setOwn(_ module: TorchtitanModule) {
        if let chunks = module.values["chunks"]?.count, chunks > 0 {
            set("loss.kind", .word("chunked"), from: nil)
            set("loss.chunks", .count(chunks), from: nil)
        }
        if let dispatcher = module.values["dispatcher"]?.text, dispatcher != "standard" {
            set("layout.dispatcher", .word(dispatcher), from: nil)
        }
        if let recipe = module.values["recipe"]?.text { set("precision.recipe", .word(recipe), from: nil) }
        if module.values["optimizer"]?.map?["name"]?.text == "muon" { set("optimizer.name", .word("muon"), from: nil) }
    }
}
