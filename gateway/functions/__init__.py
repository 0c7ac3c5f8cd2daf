"""What the Lambda functions of ours share: their environment, and admission over DynamoDB."""
