environment       = "prod"
account_id        = "123456789012"
function_role_arn = "arn:aws:iam::123456789012:role/sentiment-functions"
