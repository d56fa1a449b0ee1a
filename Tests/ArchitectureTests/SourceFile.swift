/// The names that one Swift file declares and those that it uses.
struct SourceFile {
    /// A type, by its full name such as `Plan.Kind`.
    struct TypeDeclaration {
        let name: String
        /// Whether other files see it.
        let isVisible: Bool
    }

    /// A function, a constant, a variable or a case.
    struct ValueDeclaration {
        /// Full name of the type it is a member of; nil at file scope.
        let owner: String?
        let name: String
        /// Whether other files see it.
        let isVisible: Bool
        /// Whether it stands in an extension rather than in the type's own braces.
        let isInExtension: Bool
    }

    /// A name where it is used.
    struct Use {
        /// What stands before the name's dot.
        enum Qualifier: Equatable {
            case none
            /// Plain names: `["Plan", "Kind"]` of `all` in `Plan.Kind.all`.
            case names([String])
            /// Any other expression, or nothing as in `.automatic`.
            case expression
        }

        let name: String
        let qualifier: Qualifier
        /// Full names of the types and extensions around the use, outermost first.
        let scopes: [String]
        /// Whether the name, or the first name of its qualifier, is that of a local variable, parameter or type.
        let isLocal: Bool
        let line: Int
    }

    /// Path of the file in its room.
    let path: String
    var types: [TypeDeclaration] = []
    var values: [ValueDeclaration] = []
    var uses: [Use] = []
    /// Modules that it imports.
    var imports: Set<String> = []
}
