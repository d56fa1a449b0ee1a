/// The letters in the shapes of tensors: `x [R, H]` is a row-major matrix of R rows and H columns.
///
/// | letter | what it counts, on one rank |
/// |---|---|
/// | B | sequences of a micro-batch |
/// | L | tokens of a sequence; Lq of the queries and Lk of the keys where they differ |
/// | R | rows: the tokens of a micro-batch, B · L |
/// | S | rows of the residual stream: R, or a slice of R with sequence parallelism |
/// | H | hidden size, the columns of the residual stream |
/// | N, K | query heads; key and value heads, where N is a multiple of K |
/// | D | numbers in a head |
/// | F | inner columns of a feed-forward |
/// | V | entries of the vocabulary |
/// | I, O | inputs and outputs of a linear layer |
/// | W | columns, whatever they mean |
/// | E | experts of a block, over all ranks |
/// | C | experts a token is sent to |
/// | T | tokens that a rank routes to experts |
/// | M | rows that arrive at a rank's experts |
/// | G, P | ranks that share the experts of a block; pieces that each expert is cut into |
/// | m, n, k | rows, columns and inner dimension of a matrix product |
///
/// A gradient has the shape of its tensor and its name with a d in front: dx [R, H]. `∘` multiplies element by element.
package enum ShapeLetters {}
