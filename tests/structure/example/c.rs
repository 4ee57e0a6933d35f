use crate::a::A;

pub struct C(pub Box<A>);

#[cfg(test)]
mod tests {
    use crate::d::D;
}
